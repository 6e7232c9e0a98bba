/**
 * `weir build`: compiles filters.
 */
import { buildFilter, chosenFilters, projectIn } from '../author/project.js';
import { errorText, WeirError } from '../errors.js';
import { type Command, parseCommand } from './command.js';

export const build: Command = {
  summary: 'compile filters to WebAssembly',
  help: `Usage: weir build [NAME...]

Compiles filters/NAME/filter.ts of this folder, or every filter there, into dist/filters/NAME with its manifest,
where "weir test" and "weir replay" find it. Mistakes are told with file, line and column on standard error, and
the others are built; the exit code is then 1. Needs the AssemblyScript compiler, which comes with weir unless it was installed with
--omit=optional.
`,
  async run(args) {
    const { positionals } = parseCommand(args, { allowPositionals: true, options: {} });
    const project = projectIn(process.cwd());
    const names = chosenFilters(project, positionals);
    const failed: string[] = [];
    for (const name of names) {
      try {
        await buildFilter(project, name, (text) => process.stderr.write(text));
        process.stdout.write(`built ${name}\n`);
      } catch (error) {
        if (!(error instanceof WeirError)) throw error;
        process.stderr.write(errorText(error));
        failed.push(name);
      }
    }
    if (names.length > 1 && failed.length > 0)
      process.stderr.write(`weir: ${failed.length} of ${names.length} not built: ${failed.join(', ')}\n`);
    return failed.length > 0 ? 1 : 0;
  },
};
