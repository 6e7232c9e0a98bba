/**
 * The registry of a filter as hostile input, and which collections are the same in two filters.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MAP, REGISTRY_ENTRY_BYTES } from '../../host/filter/abi.js';
import { loadFilter } from '../../host/filter/library.js';
import { planTakeOver, readRegistry, takeOver } from '../../host/filter/state.js';
import { buildTestFilter, type TestFilter } from '../runtime/testfilter.js';
import { start } from './handover.js';
import { MANIFEST, refuses } from './hostile.js';

const STATE_BYTES = MANIFEST.memory.state;
const NAMES_AT = 8_192;

interface Entry {
  readonly kind?: number;
  readonly name?: string | Buffer;
  readonly nameAt?: number;
  readonly nameBytes?: number;
  readonly offset?: number;
  readonly bytes?: number;
}

/** What the host reads of a registry with these entries. */
function read(entries: readonly Entry[], table = 1_024, count = entries.length) {
  const memory = Buffer.alloc(16_384);
  const words = new Uint32Array(MAP.bytes / 4);
  words.set([table, count], MAP.registry / 4);
  for (const [index, entry] of entries.entries()) {
    const { kind = 2, name = `c${index}`, offset = 64 * index, bytes = 64 } = entry;
    const place = NAMES_AT + 128 * index;
    const nameBytes = memory.write(name.toString('latin1'), place, 'latin1');
    const fields = [kind, entry.nameAt ?? place, entry.nameBytes ?? nameBytes, 1, 2, offset, bytes, 3];
    for (const [at, field] of fields.entries())
      memory.writeUInt32LE(field, 1_024 + REGISTRY_ENTRY_BYTES * index + 4 * at);
  }
  return readRegistry(MANIFEST, memory, words);
}

test('a registry is read into streams and collections', () => {
  const odd = [
    { kind: 1, name: 'out' },
    { name: 'a', offset: 64 },
    { kind: 3, name: 'a', offset: 0 },
    { kind: 99, name: Buffer.from('é b'), offset: STATE_BYTES - 8, bytes: 8 },
    { name: 'x'.repeat(64), offset: STATE_BYTES, bytes: 0 },
  ];
  const parameters = [1, 2, 3] as const;
  assert.equal(read(odd), {
    streams: ['out'],
    collections: [
      { kind: 2, name: 'a', parameters, offset: 64, bytes: 64 },
      { kind: 3, name: 'a', parameters, offset: 0, bytes: 64 },
      { kind: 99, name: 'é b', parameters, offset: STATE_BYTES - 8, bytes: 8 },
      { kind: 2, name: 'x'.repeat(64), parameters, offset: STATE_BYTES, bytes: 0 },
    ],
  });
  assert.equal(read([]), { streams: [], collections: [] });
});

test('a hostile registry is refused in one line', () => {
  const outside = /filter hostile: its registry lies outside its memory; /;
  const place = new RegExp(`expected a place in its state of ${STATE_BYTES} bytes, found `);
  const bytes = /a name in its registry: expected printable UTF-8, found other bytes/;
  const length = (found: number) =>
    new RegExp(`a name in its registry: expected 1 to 64 bytes, found ${found};`);
  const own = /expected a place of its own, found \d+ to \d+, which collection c\d has/;
  const hostile: [string, Entry[], RegExp][] = [
    ['a name outside', [{ nameAt: 16_384 }], outside],
    ['a name at the end of the addresses', [{ nameAt: 0xffff_ffff, nameBytes: 1 }], outside],
    ['a name without end', [{ nameBytes: 0xffff_ffff }], outside],
    ['no name', [{ nameBytes: 0 }], length(0)],
    ['a long name', [{ nameBytes: 65 }], length(65)],
    ['a long name of a stream', [{ kind: 1, nameBytes: 65 }], length(65)],
    ['no UTF-8', [{ name: Buffer.from([0x61, 0xff]) }], bytes],
    ['half a character', [{ name: Buffer.from([0xc3]) }], bytes],
    ['a terminal', [{ name: '\x1b[2J' }], bytes],
    ['turned text', [{ name: Buffer.from('a\u202eb') }], bytes],
    ['state past its end', [{ offset: STATE_BYTES - 63 }], place],
    ['state far away', [{ offset: 0xffff_ffc0 }], place],
    ['state without end', [{ bytes: 0xffff_ffff }], place],
    ['state and a sum past 32 bits', [{ offset: 0x8000_0000, bytes: 0x8000_0000 }], place],
    ['one place twice', [{ offset: 0 }, { offset: 0 }], own],
    ['one byte shared', [{ offset: 63 }, { offset: 0 }], own],
    [
      'one within another',
      [
        { offset: 0, bytes: 512 },
        { offset: 128, bytes: 8 },
      ],
      own,
    ],
    [
      'two of a kind',
      [{ name: 'a' }, { name: 'a' }],
      /collection a: expected one of a kind under this name, found two/,
    ],
  ];
  for (const [what, entries, expected] of hostile)
    refuses(() => read(entries), 'MODULE_REFUSED', expected, what);
  for (const [table, count] of [
    [16_384, 1],
    [16_353, 1],
    [0xffff_ffff, 1],
    [0, 65],
    [0, 0xffff_ffff],
  ] as const)
    refuses(() => read([], table, count), 'MODULE_REFUSED', outside, `${count} entries at ${table}`);
});

let tools: TestFilter;
let joined: TestFilter;
test.before(async () => {
  tools = await buildTestFilter('sketch-tools');
  joined = await buildTestFilter('audit-joined');
});
test.after(async () => {
  await tools.remove();
  await joined.remove();
});

type Config = Readonly<Record<string, unknown>>;

test('what another config declares otherwise is missing, and everything else is taken', () => {
  const tool = (name: string, more: Config = {}) => ({
    tool: name,
    a: 64,
    b: 16,
    c: 3,
    length: '1m',
    ...more,
  });
  const top = tool('top');
  const repeats = tool('suppress', { lateness: '10s' });
  const hops = tool('hopping', { hop: '30s' });
  const changes: [string, Config, Config, string[]][] = [
    ['capacity', top, { ...top, a: 65 }, ['top']],
    ['length of keys, in rows of the same size', tool('limit'), tool('limit', { b: 15 }), ['limit']],
    ['length of keys', top, { ...top, b: 20 }, ['top']],
    ['kind', top, tool('distinct', { a: 6 }), ['top']],
    ['counters', tool('distinct-rows', { a: 6 }), tool('distinct-rows', { a: 7 }), ['rows']],
    ['precision', tool('distinct', { a: 6 }), tool('distinct', { a: 7 }), ['distinct']],
    ['bits', tool('quantiles', { a: 4 }), tool('quantiles', { a: 5 }), ['quantiles']],
    ['length', top, { ...top, length: '2m' }, ['hours']],
    ['lateness', top, { ...top, lateness: '11s' }, ['hours']],
    ['hop', hops, { ...hops, hop: '20s' }, ['hours']],
    ['generation', tool('first-seen'), tool('first-seen', { length: '2m' }), ['hours', 'seen']],
    ['limit', tool('limit'), tool('limit', { c: 4 }), ['limit']],
    ['time of repeats', repeats, { ...repeats, length: '2m' }, ['hours', 'repeats', 'repeats']],
    ['lateness of repeats', repeats, { ...repeats, lateness: '9s' }, ['hours', 'repeats']],
  ];
  const filter = loadFilter('sketch-tools', tools.folder);
  for (const [what, one, two, missing] of changes) assertMissing(filter, what, one, two, missing);

  const audit = { capacity: '8', bytes: '4096', timeout: '2000' };
  const auditFilter = loadFilter('audit-joined', joined.folder);
  for (const change of [{ capacity: '9' }, { bytes: '4104' }, { timeout: '2001' }])
    assertMissing(auditFilter, JSON.stringify(change), audit, { ...audit, ...change }, ['open']);
});

test('json-select takes counts over only where they are counts of the same groups', () => {
  const filter = loadFilter('json-select');
  const redact_key = '0'.repeat(32);
  const hashed = { count_by: ['user'], redact: { user: 'hash' }, redact_key };
  const changes: [string, Config, Config, string[]][] = [
    ['other fields', { count_by: ['user'] }, { count_by: ['host'] }, ['counts']],
    ['more fields', { count_by: ['user'] }, { count_by: ['user', 'host'] }, ['counts']],
    ['another order', { count_by: ['a', 'b'] }, { count_by: ['b', 'a'] }, ['counts']],
    ['hidden now', { count_by: ['user'] }, hashed, ['counts']],
    ['hidden otherwise', hashed, { count_by: ['user'], redact: { user: 'mask' } }, ['counts']],
    ['another key', hashed, { ...hashed, redact_key: '1'.repeat(32) }, ['counts']],
    ['another window', { count_by: ['user'] }, { count_by: ['user'], window: '2m' }, ['windows']],
    [
      'others are counted',
      { count_by: ['user'] },
      { count_by: ['user'], where: [{ field: 'a', equals: 1 }] },
      [],
    ],
  ];
  for (const [what, one, two, missing] of changes) assertMissing(filter, what, one, two, missing);
});

function assertMissing(
  filter: ReturnType<typeof loadFilter>,
  what: string,
  one: Config,
  two: Config,
  missing: readonly string[],
): void {
  const old = start(filter, { config: one });
  const next = start(filter, { config: two });
  const before = Buffer.from(next.filter.state);
  const planned = planTakeOver(old.filter, next.filter);
  assert.equal(planned.missing, missing, what);
  assert.ok(next.filter.state.equals(before), `${what}: planning copies nothing`);
  old.filter.state.fill(7);
  assert.equal(takeOver(old.filter, next.filter), planned, what);
  const copied = next.filter.collections.filter(({ offset, bytes }) =>
    next.filter.state.subarray(offset, offset + bytes).equals(Buffer.alloc(bytes, 7)),
  );
  assert.equal(copied.map(({ name }) => name).sort(), [...planned.taken].sort(), what);
  assert.is(planned.taken.length + missing.length, old.filter.collections.length, what);
}

test('a state is copied to where the new filter keeps it', () => {
  const filter = loadFilter('sketch-tools', tools.folder);
  const lines = Array.from({ length: 50 }, (_, at) => `${1_000 + at} key ${at % 7}`);
  const old = start(filter, { config: { tool: 'top', a: 64, b: 16 } }).feed(lines);
  const next = start(filter, { config: { tool: 'sample', a: 1 } });
  const [rows, moved] = [old, next].map(
    (fed) => fed.filter.collections.find(({ name }) => name === 'rows')?.offset,
  );
  assert.is.not(rows, moved);
  assert.equal(takeOver(old.filter, next.filter), { taken: ['hours', 'rows'], missing: ['top'] });
  next.end();
  assert.equal(next.records(), [{ stream: 'told', ts: 0, count: 50 }]);
});

test.run();
