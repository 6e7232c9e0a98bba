/**
 * `weir bundle`: packs filters for appliances.
 */
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { projectIn } from '../author/project.js';
import { writeOutput } from '../author/samples.js';
import { printable, systemCode, WeirError } from '../errors.js';
import { bundleHash, bundlePath, unpackBundle } from '../fleet/bundle.js';
import { bundleFilter } from '../fleet/gather.js';
import { selfTest } from '../fleet/selftest.js';
import { type Command, parseCommand } from './command.js';

export const bundle: Command = {
  summary: 'pack a filter for appliances: module, manifest, samples, licence',
  help: `Usage: weir bundle NAME... [OPTIONS]

Packs each filter into one file, which can be signed and pushed: its module, its manifest, its samples with the records that they
give, and the licence. NAME is one of this folder's filters (built first where it is stale) or a shipped one. The same source gives
the same bytes on every machine; "tar tzf FILE" lists what is in it.

A filter that is bundled needs
  filters/NAME/filter.json   with "retention" (how long its records may be kept) and "owner" (who answers for them)
  filters/NAME/samples       at least one sample, with its expected records ("weir test --update" writes them)
  LICENSE                    in this folder, or one of its own in filters/NAME

Before anything is written each bundle is unpacked and tried, as an appliance does it: every sample has to give its records.

  -o, --file FILE   write the one bundle there
  --out FOLDER      write NAME-VERSION-HASH.bundle there (default: this folder); HASH is the beginning of the module's SHA-256
  --json            print one JSON object a bundle: path, bytes, sha256 (of the bundle), label (as messages name the filter), target
                    (the path under which it is signed)

Example:
  weir bundle ssh-auth --out bundles
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        file: { type: 'string', short: 'o' },
        out: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
    const { file, out, json } = values;
    const names = [...new Set(positionals)];
    if (names.length === 0) throw new WeirError('USAGE', 'expected at least one NAME, found 0');
    if (file !== undefined && (names.length > 1 || out !== undefined))
      throw new WeirError('USAGE', '--file: expected one NAME and no --out, because it names one file');
    const bundles: Made[] = [];
    for (const name of names) bundles.push(await make(name));
    if (out !== undefined) makeFolder(out);
    for (const { bytes, label } of bundles) {
      const target = bundlePath(label);
      const path = file ?? join(out ?? '', basename(target));
      writeOutput(path, bytes);
      const told = { path, bytes: bytes.length, sha256: bundleHash(bytes), label, target };
      process.stdout.write(json ? `${JSON.stringify(told)}\n` : textOf(told));
    }
    return 0;
  },
};

interface Made {
  readonly bytes: Uint8Array;
  readonly label: string;
}

/** A bundle that has passed what an appliance asks of it. */
async function make(name: string): Promise<Made> {
  const bytes = await bundleFilter(projectIn(process.cwd()), name, (text) => process.stderr.write(text));
  const bundle = unpackBundle(bytes, `bundle of ${name}`);
  await selfTest(bundle);
  return { bytes, label: bundle.label };
}

function textOf({
  path,
  bytes,
  sha256,
  label,
}: {
  path: string;
  bytes: number;
  sha256: string;
  label: string;
}) {
  return `${printable(path)}\n  label   ${label}\n  bytes   ${bytes}\n  sha256  ${sha256}\n`;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new WeirError('OUTPUT_UNWRITABLE', `${path}: expected a folder, found ${systemCode(error)}`);
  }
}
