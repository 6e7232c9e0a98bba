/**
 * The positions file: what was saved comes back, and what is damaged or hostile is told of and costs no more.
 */
import { mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { POSITIONS_BYTES_MAX } from '../host/limits.js';
import { createPlaces, createSaver, loadPositions, savePositions } from '../host/positions.js';
import { temporaryFolder } from './help.js';

const positions = suite<{ folder: string; path: string }>('positions');
positions.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.path = join(context.folder, 'positions.json');
});
positions.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function loaded(folder: string): { saved: unknown; notices: string[] } {
  const notices: string[] = [];
  return { saved: loadPositions(folder, (line) => notices.push(line)), notices };
}

positions('what was saved comes back, and only its owner may read it', ({ folder, path }) => {
  assert.equal(loaded(folder), { saved: {}, notices: [] }, 'nothing was saved');
  const saved = { ssh: { auth: [{ path: '/x', offset: 1 }] }, vpn: {} };
  savePositions(folder, saved);
  assert.equal(loaded(folder), { saved, notices: [] });
  assert.is(statSync(path).mode & 0o777, 0o600);
});

positions('what is damaged or of another shape is told of, and nothing of it is used', ({ folder, path }) => {
  const damaged = [
    '',
    '{"version":1,"positions":{"a":{}',
    'null',
    '[]',
    '{"version":2,"positions":{}}',
    '{"version":1}',
    '{"version":1,"positions":[]}',
    '{"version":1,"positions":{"a":null}}',
    '{"version":1,"positions":{"a":[1]}}',
    '['.repeat(100_000),
    '\0\xff',
  ];
  for (const text of damaged) {
    writeFileSync(path, text);
    const { saved, notices } = loaded(folder);
    assert.equal(saved, {}, text.slice(0, 60));
    assert.match(notices.join(), /positions\.json: .*every source is read from its beginning$/);
  }
});

positions('a file without end and a folder in its place are not read', ({ folder, path }) => {
  writeFileSync(path, '');
  truncateSync(path, POSITIONS_BYTES_MAX + 1);
  assert.is(loaded(folder).notices.length, 1);
  rmSync(path);
  mkdirSync(path);
  assert.match(loaded(folder).notices.join(), /EISDIR/);
});

positions('places are those of before the wait, written once all is acknowledged', async ({ folder }) => {
  let offset = 1;
  let acknowledge = () => {};
  const acknowledged = () => new Promise<void>((resolve) => (acknowledge = resolve));
  const notices: string[] = [];
  const saver = createSaver(
    folder,
    () => ({ f: { s: offset } }),
    acknowledged,
    (line) => notices.push(line),
  );
  saver.saveWhenAcknowledged();
  offset = 2;
  saver.saveWhenAcknowledged();
  assert.equal(loaded(folder).saved, {});
  acknowledge();
  await Promise.resolve();
  assert.equal(loaded(folder).saved, { f: { s: 1 } });
  saver.saveNow();
  assert.equal(loaded(folder).saved, { f: { s: 2 } });
  rmSync(folder, { recursive: true });
  offset = 3;
  saver.saveNow();
  assert.match(
    notices.join(),
    /^positions cannot be saved, events will be read again after a restart: .*ENOENT/,
  );
});

positions('a filter that recovers keeps its places of before, and no other one waits for it', () => {
  const offsets = { one: 1, other: 1 };
  const reading = (instance: 'one' | 'other') => ({
    instance,
    cursors: new Map([
      ['file', { position: () => offsets[instance] }],
      ['socket', { position: () => undefined }],
    ]),
  });
  let recovering = 'one';
  const places = createPlaces([reading('one'), reading('other')], (instance) => instance === recovering);
  offsets.one = 2;
  offsets.other = 2;
  assert.equal(places(), { one: { file: 1 }, other: { file: 2 } });
  recovering = 'other';
  offsets.other = 3;
  assert.equal(places(), { one: { file: 2 }, other: { file: 2 } });
});

positions.run();
