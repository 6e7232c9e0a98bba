/**
 * `weir fleet`: a table of commands, for those who run many appliances.
 */
import type { CommandTable } from './command.js';

export const fleet: CommandTable = {
  summary: 'run many appliances: rollouts, keys, rights',
  intro: `Usage: weir fleet COMMAND [OPTIONS]

For those who run many appliances on one broker.
`,
  outro: `weir fleet COMMAND --help tells all about a command.
`,
  commands: {
    init: async () => (await import('./fleet/init.js')).init,
    status: async () => (await import('./fleet/status.js')).status,
    promote: async () => (await import('./fleet/promote.js')).promote,
    rollback: async () => (await import('./fleet/promote.js')).rollback,
    remove: async () => (await import('./fleet/promote.js')).remove,
    keys: async () => (await import('./fleet/keys.js')).keys,
    sign: async () => (await import('./fleet/sign.js')).sign,
    publish: async () => (await import('./fleet/sign.js')).publishCommand,
    audit: async () => (await import('./fleet/audit.js')).audit,
    acknowledge: async () => (await import('./fleet/acknowledge.js')).acknowledge,
    policy: async () => (await import('./fleet/policy.js')).policy,
    refresh: async () => (await import('./fleet/refresh.js')).refresh,
    restore: async () => (await import('./fleet/restore.js')).restore,
    'nats-config': async () => (await import('./fleet/natsconfig.js')).natsConfigCommand,
    streams: async () => (await import('./fleet/streams.js')).streams,
  },
};
