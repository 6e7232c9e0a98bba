/**
 * The guest ABI is written down three times (the text, the filter's side, the host's side); here they are compared.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ABI_VERSION,
  DUE_EXPORT,
  EXPORTS,
  FLAG_CLOSING,
  FLAG_LEAVE_OUT,
  FLAG_PARTIAL,
  FLAG_TRUNCATED,
  FRAME_BYTES,
  LEDGER,
  MAP,
  LEFT_OUT_EXPORT,
  REGISTRY_ENTRY_BYTES,
  TURN_DUE_SHIFT,
} from '../host/filter/abi.js';
import { installedFilters, loadFilter } from '../host/filter/library.js';

const ROOT = new URL('../..', import.meta.url);
const guest = readFileSync(fileURLToPath(new URL('runtime/abi.ts', ROOT)), 'utf8');
const text = readFileSync(fileURLToPath(new URL('runtime/README.md', ROOT)), 'utf8');

/** The constants of `runtime/abi.ts`, each the sum of numbers and of constants before it. */
function guestConstants(): Map<string, number> {
  const known = new Map<string, number>();
  for (const [, name, sum] of guest.matchAll(/^export const ([A-Z_]+): \w+ = ([A-Z_0-9 +]+);$/gm)) {
    const terms = (sum as string).split('+').map((term) => term.trim());
    known.set(
      name as string,
      terms.reduce((total, term) => total + (known.get(term) ?? Number(term)), 0),
    );
  }
  return known;
}

/** What a host may read besides. */
const GLOBALS = [DUE_EXPORT, LEFT_OUT_EXPORT];

const NAMES = {
  config: 'CONFIG_AT',
  zones: 'ZONES_AT',
  state: 'STATE_AT',
  scratch: 'SCRATCH_AT',
  input: 'INPUT_AT',
  output: 'OUTPUT_AT',
  registry: 'REGISTRY_AT',
  consumed: 'CONSUMED_AT',
  emitted: 'EMITTED_AT',
  ledger: 'LEDGER_AT',
  bytes: 'MAP_BYTES',
} as const;

test('the filter and the host have the same map', () => {
  const constants = guestConstants();
  for (const [field, name] of Object.entries(NAMES)) {
    assert.is(constants.get(name), MAP[field as keyof typeof MAP], name);
  }
  assert.is(constants.get('ABI_VERSION'), ABI_VERSION);
  assert.is(constants.get('FRAME_BYTES'), FRAME_BYTES);
  assert.is(constants.get('REGISTRY_ENTRY_BYTES'), REGISTRY_ENTRY_BYTES);
  for (const [at, name] of LEDGER.entries()) {
    assert.is(constants.get(name.toUpperCase()), MAP.ledger + 8 * at, name);
  }
  const flags = { FLAG_TRUNCATED, FLAG_CLOSING, FLAG_PARTIAL, FLAG_LEAVE_OUT, TURN_DUE_SHIFT };
  for (const [name, flag] of Object.entries(flags)) assert.is(constants.get(name), flag, name);
});

test('the text names every field of the map at its offset, and every export', () => {
  for (const [field, offset] of Object.entries(MAP)) {
    if (field !== 'bytes') assert.match(text, new RegExp(`\\| ${offset} \\| \`${field}\``), field);
  }
  assert.match(text, new RegExp(`\\| ${MAP.bytes} \\| end \\|`));
  for (const [name, { takes, gives }] of Object.entries(EXPORTS)) {
    const row = new RegExp(`\\| \`${name}\` \\| \`\\(([^\`]*)\\)(?: -> ([^\`]*))?\` \\|`).exec(text);
    assert.equal(row?.[1]?.match(/i32|i64/g) ?? [], takes, name);
    assert.equal(row?.[2]?.split(', ') ?? [], gives, name);
  }
  for (const name of GLOBALS) assert.match(text, new RegExp(`\\| \`${name}\` \\| \`i(32|64)\`, mutable \\|`));
  assert.match(text, new RegExp(LEDGER.map((name) => `\`${name}\``).join(',\\s+')));
});

test('the text names every kind of collection', () => {
  const kinds = [...guestConstants()].filter(([name]) => name.startsWith('KIND_'));
  const [, listed] = /eight u32: kind \(([^)]*)\)/.exec(text.replace(/\s+/g, ' ')) ?? [];
  assert.is(
    listed,
    kinds.map(([name, kind]) => `${kind} ${name.slice(5).toLowerCase().replace('_', ' ')}`).join(', '),
  );
});

test('every shipped module imports only memory and abort, and exports the functions and globals of the ABI', () => {
  const names = installedFilters();
  assert.ok(names.length >= 3, `expected the shipped filters, found ${names}`);
  for (const name of names) {
    const module = new WebAssembly.Module(loadFilter(name).module as Uint8Array<ArrayBuffer>);
    const imports = WebAssembly.Module.imports(module).map(
      (found) => `${found.kind} ${found.module}.${found.name}`,
    );
    assert.equal(imports.sort(), ['function env.abort', 'memory env.memory'], name);
    const exported = WebAssembly.Module.exports(module);
    const named = (kind: string) =>
      exported.filter((found) => found.kind === kind).map((found) => found.name);
    assert.equal(named('function').sort(), Object.keys(EXPORTS).sort(), name);
    assert.equal(named('global').sort(), GLOBALS, name);
    assert.is(exported.length, Object.keys(EXPORTS).length + GLOBALS.length, name);
  }
});

test('a module is small enough for a slow line and a small disk', () => {
  for (const name of installedFilters()) {
    const bytes = loadFilter(name).module.length;
    assert.ok(bytes < 40 * 1024, `${name}: ${bytes} bytes`);
  }
});

test.run();
