/**
 * A client of The Update Framework as the public conformance suite asks for it, on the code that verifies on appliances, over HTTP:
 *
 *     tuf-client --metadata-dir DIR init ROOT
 *     tuf-client --metadata-dir DIR --metadata-url URL refresh
 *     tuf-client --metadata-dir DIR --metadata-url URL --target-name NAME --target-base-url URL --target-dir DIR download
 *
 * The exit code is 0 only when all went well. What is trusted lies in DIR for the suite to look at, one file a role.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createTrust, type Fetch } from '../host/fleet/trust.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'metadata-dir': { type: 'string' },
    'metadata-url': { type: 'string' },
    'target-name': { type: 'string' },
    'target-base-url': { type: 'string' },
    'target-dir': { type: 'string' },
  },
});
const [command, root] = positionals;
const folder = needed('metadata-dir');
const anchorPath = join(folder, '.anchor');

function needed(name: keyof typeof values): string {
  const value = values[name];
  if (value === undefined) throw new Error(`expected --${name}`);
  return value;
}

/** Our paths begin with what they are of; theirs have an address for each. */
const fetch: Fetch = async (path, bytesMax) => {
  const isMetadata = path.startsWith('metadata/');
  const base = isMetadata ? needed('metadata-url') : needed('target-base-url');
  const name = path.slice(path.indexOf('/') + 1);
  const response = await globalThis.fetch(`${base.replace(/\/?$/, '/')}${name}`);
  if (response.status === 404 || response.status === 403) return undefined;
  if (!response.ok || !response.body) throw new Error(`${path}: status ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`${path}: more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/** What is trusted, or was verified before something else was refused, where the suite looks for it. */
function show(from: string): void {
  if (!existsSync(from)) return;
  for (const file of readdirSync(from))
    if (file !== 'index.json') copyFileSync(join(from, file), join(folder, file));
}

async function update(target?: string): Promise<Buffer | undefined> {
  const trust = createTrust(join(folder, '.trust'), readFileSync(anchorPath));
  try {
    const found = await trust.update(fetch, Date.now(), target ?? '');
    const bytes =
      target === undefined ? undefined : await (found ? found.target(target) : trust.target(target));
    found?.commit();
    return bytes ?? undefined;
  } finally {
    show(join(folder, '.trust/staging'));
    show(join(folder, '.trust/trusted'));
  }
}

if (command === 'init' && root !== undefined) {
  mkdirSync(folder, { recursive: true });
  createTrust(join(folder, '.trust'), readFileSync(root));
  for (const path of [anchorPath, join(folder, 'root.json')]) copyFileSync(root, path);
} else if (command === 'refresh') {
  await update();
} else if (command === 'download') {
  const name = needed('target-name');
  const bytes = await update(name);
  if (!bytes) throw new Error(`${name}: no such target`);
  writeFileSync(join(needed('target-dir'), encodeURIComponent(name)), bytes);
} else throw new Error('expected init ROOT, refresh or download');
