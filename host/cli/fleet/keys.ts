/**
 * `weir fleet keys`: a table of commands, for who may sign what.
 */
import type { CommandTable } from '../command.js';

export const keys: CommandTable = {
  summary: 'who may sign what: keys, thresholds, delegation',
  intro: `Usage: weir fleet keys COMMAND [OPTIONS]

Root says whose keys count; targets signs filters and assignments, or names roles that sign a part of them; snapshot and timestamp
say what is the latest.
`,
  outro: `weir fleet keys COMMAND --help tells all about a command.
`,
  commands: {
    list: async () => (await import('./keyslist.js')).list,
    create: async () => (await import('./keyslist.js')).create,
    add: async () => (await import('./keyschange.js')).add,
    rotate: async () => (await import('./keysrotate.js')).rotate,
    revoke: async () => (await import('./keyschange.js')).revoke,
    renew: async () => (await import('./keyschange.js')).renew,
    delegate: async () => (await import('./delegate.js')).delegate,
    undelegate: async () => (await import('./delegate.js')).undelegate,
  },
};
