/**
 * `weir new`: a filter to begin with.
 */
import { relative } from 'node:path';
import { projectIn } from '../author/project.js';
import { writeNewFilter } from '../author/scaffold.js';
import { WeirError } from '../errors.js';
import { installedFilters } from '../filter/library.js';
import { type Command, parseCommand } from './command.js';

export const create: Command = {
  summary: 'write a filter to begin with',
  help: `Usage: weir new NAME

Writes filters/NAME in this folder: a filter of ten lines (filter.ts), its manifest (filter.json), a unit test
(filter.test.mjs), and a sample with the records that it gives (samples). They pass "weir test" as they are. With the
first filter comes filters/tsconfig.json, which tells editors the types of AssemblyScript. Nothing is overwritten.

Example:
  weir new dns-errors && weir test dns-errors
`,
  async run(args) {
    const { positionals } = parseCommand(args, { allowPositionals: true, options: {} });
    const [name, ...others] = positionals;
    if (name === undefined || others.length > 0)
      throw new WeirError('USAGE', `expected one NAME, found ${positionals.length}`);
    for (const path of writeNewFilter(projectIn(process.cwd()), name))
      process.stdout.write(`wrote ${relative('', path)}\n`);
    if (installedFilters().includes(name))
      process.stdout.write(`note: weir ships a ${name}, whose place this one takes in this folder\n`);
    process.stdout.write(`next: weir test ${name}\n`);
    return 0;
  },
};
