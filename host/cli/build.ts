/**
 * `weir build`: compiles filters.
 */
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WeirError } from '../errors.js';
import { compileFilter } from '../filter/compile.js';
import { loadManifestOf, SHIPPED_FILTERS } from '../filter/library.js';
import { type Command, parseCommand } from './command.js';

const PACKAGE_FOLDER = fileURLToPath(new URL('../../..', import.meta.url));

export const build: Command = {
  summary: 'compile filters to WebAssembly',
  help: `Usage: weir build [NAME...]

Compiles filters/NAME/filter.ts of this package, or every filter there, and installs the module with its
manifest where "weir run" and "weir replay" find it. Needs the AssemblyScript compiler (a development
dependency). Exit code 1 when a filter does not compile; the compiler's messages name the lines.
`,
  async run(args) {
    const { positionals } = parseCommand(args, { allowPositionals: true, options: {} });
    const sources = join(PACKAGE_FOLDER, 'filters');
    const known = readdirSync(sources).filter((name) => existsSync(join(sources, name, 'filter.ts')));
    for (const name of positionals.length ? positionals : known) {
      if (!known.includes(name)) {
        throw new WeirError('FILTER_UNKNOWN', `filter "${name}": expected one of ${known.join(', ')}`);
      }
      loadManifestOf(name, sources);
      const target = join(SHIPPED_FILTERS, name);
      await compileFilter(PACKAGE_FOLDER, join(sources, name), join(target, 'filter.wasm'));
      copyFileSync(join(sources, name, 'filter.json'), join(target, 'filter.json'));
      process.stdout.write(`built ${name}\n`);
    }
    return 0;
  },
};
