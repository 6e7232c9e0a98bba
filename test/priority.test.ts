/**
 * What goes first when the disk has not room for all: streams of low priority, counted; then sources wait, those of urgent filters last.
 */
import { rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../host/engine.js';
import { startFilter } from '../host/filter/instance.js';
import { loadFilter } from '../host/filter/library.js';
import { directOutbox } from '../host/outbox.js';
import { unpack } from '../host/pack.js';
import { createSpoolSpace } from '../host/spool/space.js';
import type { WireRecord } from '../host/wire.js';
import { memoryCursor } from '../host/author/drive.js';
import { temporaryFolder } from './help.js';

const NOW_MS = Date.UTC(2026, 0, 31, 12);
const CONFIG = { where: [{ field: 'user', equals: 'alice' }], count_by: ['user'], window: '1h' };

const priority = suite<{ folder: string }>('priority');
priority.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
priority.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

priority('records of a low stream are left out while there is little room, and counted as shed', () => {
  const { manifest, module } = loadFilter('json-select');
  const low = { ...manifest, priority: { selected: 'low' } } as const;
  const cursor = memoryCursor();
  const records: WireRecord[] = [];
  let isTight = true;
  const outbox = {
    ...directOutbox(({ stream, headers, body }) =>
      unpack(headers, body, (record) => records.push({ stream, ...record })),
    ),
    isTight: () => isTight,
  };
  const filter = startFilter({ manifest: low, module, config: CONFIG, zones: [] });
  const engine = createEngine({
    appliance: 'a',
    batchBytes: 4_096,
    filters: [{ instance: 'f', filter, format: 'cbor', cursors: new Map([['s', cursor]]), outbox }],
    onFilterEvent(_instance, event) {
      throw event;
    },
  });
  const lines = (count: number) => `{"ts":"2026-01-31T12:00:00Z","user":"alice"}\n`.repeat(count);
  cursor.put(Buffer.from(lines(7)));
  while (engine.turn(NOW_MS));
  engine.cut();
  isTight = false;
  cursor.put(Buffer.from(lines(5)));
  while (engine.turn(NOW_MS));
  engine.closeWindows(NOW_MS);
  engine.closeLedgers(NOW_MS);
  engine.cut();
  const of = (wanted: string) => records.filter(({ stream }) => stream === wanted);
  assert.is(of('selected').length, 5);
  assert.equal(
    of('counts').map(({ count }) => count),
    [12],
    'another stream of the same filter has all',
  );
  assert.equal(
    of('ledger').map(({ in: all, kept, shed }) => [all, kept, shed]),
    [[12, 12, { selected: 7 }]],
  );
});

priority('the last tenth of the room is for what is urgent', async ({ folder }) => {
  const notices: string[] = [];
  const space = createSpoolSpace({
    dataFolder: folder,
    bytesMax: 1 << 20,
    freeBytes: 0,
    sync: 'none',
    notice: (line) => notices.push(line),
    onSafe() {},
  });
  const spool = space.open('f', 0);
  const put = () => space.append(spool, [{ kind: 'commit', payload: [Buffer.alloc(10_000)] }]);
  const seen: string[] = [];
  for (let at = 0; at < 110; at++) {
    const state = `${space.isTight()} ${space.isFull()} ${space.isFull(true)}`;
    if (seen.at(-1) !== state) seen.push(state);
    put();
  }
  assert.equal(seen, ['false false false', 'true false false', 'true true false', 'true true true']);
  assert.match(notices.join(), /spool: full/);
  await space.close();
});

priority.run();
