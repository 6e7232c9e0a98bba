/**
 * `weir inspect`: what a module is, and whether it may run.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Inspection, inspect as inspectModule, inspectionText } from '../author/inspect.js';
import { findFilter, projectIn } from '../author/project.js';
import { oneLine, printable, WeirError } from '../errors.js';
import { loadManifest } from '../filter/manifest.js';
import { INSPECTED_BYTES_MAX } from '../limits.js';
import { type Command, parseCommand } from './command.js';

export const inspect: Command = {
  summary: 'tell what a module is, and whether it may run',
  help: `Usage: weir inspect MODULE|NAME [OPTIONS]

Judges a module as the host does before it runs one, and prints the verdict with every reason, the size, hash, code,
imports and exports. MODULE is a path with a / in it, or one that ends in .wasm: a file, or the folder of a filter.wasm
and its filter.json. NAME is one of this folder's filters (built first where it is stale) or a shipped one.
Where a filter.json lies beside the module, it is judged, too, and adds the map of the memory. What is admitted is then
started with it, metered, without a config, as a host would; of a module alone nothing runs.

  --json   print one JSON object: module, version, bytes, sha256, verdict (admitted or refused), reasons (each with code
           and sentence), functions, instructions, features, imports and exports (each with name, kind and type), memory
           (initial and maximum, in pages), regions (each with region, start and bytes); null is what is not known

Codes of reasons: size, malformed, feature, limit, import, memory, global, start, export, grow, invalid, of which at most 16
are told, and manifest.
The exit code is 1 when it is refused.

Examples:
  weir inspect ssh-auth
  weir inspect ./downloaded.wasm --json
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false } },
    });
    const [what] = positionals;
    if (what === undefined || positionals.length > 1)
      throw new WeirError('USAGE', `expected one MODULE or NAME, found ${positionals.length}`);
    const found = await look(what);
    process.stdout.write(values.json ? `${JSON.stringify(found)}\n` : inspectionText(found));
    return found.verdict === 'admitted' ? 0 : 1;
  },
};

async function look(what: string): Promise<Inspection> {
  if (what.includes('/') || what.endsWith('.wasm')) return lookAt(what);
  const tell = (text: string) => process.stderr.write(text);
  const { manifest, module } = await findFilter(projectIn(process.cwd()), what, tell);
  return inspectModule(what, module, () => manifest);
}

/** A file with the manifest beside it, or the folder of both: as `weir swap` takes them. */
function lookAt(path: string): Inspection {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const file = isFolder ? join(path, 'filter.wasm') : path;
  const manifest = join(dirname(file), 'filter.json');
  const module = readModuleFile(file);
  return inspectModule(
    printable(path),
    module,
    existsSync(manifest) ? () => loadManifest(manifest) : undefined,
  );
}

function readModuleFile(path: string): Uint8Array {
  const unreadable = (found: string) =>
    new WeirError('MODULE_UNREADABLE', `${printable(path)}: expected a readable file, found ${found}`);
  let file: number;
  try {
    // Not to wait for whoever writes to a pipe.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw unreadable(printable(oneLine(cause)));
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw unreadable('something else than a file');
    if (stat.size > INSPECTED_BYTES_MAX) throw unreadable(`${stat.size} bytes, which is no module`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}
