/**
 * `weir fleet`: a table of commands, for those who run many appliances.
 */
import type { CommandTable } from './command.js';

export const fleet: CommandTable = {
  summary: 'run many appliances: keys and rights',
  intro: `Usage: weir fleet COMMAND [OPTIONS]

For those who run many appliances on one broker.
`,
  outro: `weir fleet COMMAND --help tells all about a command.
`,
  commands: {
    'nats-config': async () => (await import('./fleet/natsconfig.js')).natsConfigCommand,
    streams: async () => (await import('./fleet/streams.js')).streams,
  },
};
