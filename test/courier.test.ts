/**
 * Numbers on the wire when what a courier has written down, or what it reads, is damaged: nothing is told as if it had not been.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Courier } from '../host/courier.js';
import { HEADER } from '../host/wire.js';
import { createTestSpool, type TestSpool } from './spooling.js';

/** Publishes what there is, to a broker that takes everything; answers number, reason and loss of each message. */
function published(courier: Courier): string[] {
  const told: string[] = [];
  for (const line of courier.load())
    while (line.held.length > 0) {
      const { headers } = courier.next(line).message;
      told.push([headers[HEADER.seq], headers[HEADER.epoch], headers[HEADER.lost]].filter(Boolean).join(' '));
      courier.stored(line, told.length);
    }
  courier.save(false);
  courier.close();
  return told;
}

const pathOf = ({ folder }: TestSpool) => join(folder, 'published.json');

/** Changes a byte of the first message of the spool. */
function damageFirst({ folder }: TestSpool): void {
  const [segment = ''] = readdirSync(folder).filter((name) => name.endsWith('.seg'));
  const path = join(folder, segment);
  const bytes = readFileSync(path);
  bytes.writeUInt8(1, bytes.indexOf('"subject"'));
  writeFileSync(path, bytes);
}

test('the first message of a stream that is damaged is gone, and counted', () => {
  const spool = createTestSpool();
  spool.courier().close();
  for (let at = 0; at < 3; at++) spool.offer('s');
  damageFirst(spool);
  assert.equal(published(spool.courier()), ['1 spool-damaged 1', '2']);
  spool.remove();
});

test('a courier goes on behind what it has written down', () => {
  const spool = createTestSpool();
  spool.offer('s');
  assert.equal(
    published(spool.courier()),
    ['1 restored'],
    'nobody knows of a spool with entries whether they are out',
  );
  spool.offer('s');
  assert.equal(published(spool.courier()), ['2']);
  spool.offer('t');
  assert.equal(published(spool.courier()), ['1 started']);
  spool.remove();
});

test('what was written down is believed whole or not at all: what may come twice says so', () => {
  const spool = createTestSpool();
  spool.courier().close();
  spool.offer('s');
  assert.equal(published(spool.courier()), ['1 started']);
  const whole = readFileSync(pathOf(spool));
  for (let at = 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
    writeFileSync(pathOf(spool), flipped);
    assert.equal(published(spool.courier()), ['1 restored'], `byte ${at}`);
  }
  assert.match(spool.notices.pop() ?? '', /^filter b: \S*published\.json is damaged: .* \(restored\)$/);
  rmSync(pathOf(spool));
  assert.equal(published(spool.courier()), ['1 restored']);
  assert.match(spool.notices.pop() ?? '', /^filter b: \S*published\.json is not there: .* \(restored\)$/);
  writeFileSync(pathOf(spool), whole);
  assert.equal(published(spool.courier()), []);
  spool.remove();
});

test('changes of epochs are remembered, the last ones of them', () => {
  const spool = createTestSpool();
  const courier = spool.courier();
  for (let at = 0; at < 20; at++) {
    spool.offer('s');
    const [line] = courier.load();
    assert.ok(line);
    const other = { epoch: String(at).padStart(16, '0'), number: 1, sequence: at };
    courier.agreeWith(line, other, true);
    courier.next(line);
    courier.stored(line, at);
  }
  const changes = courier.changes();
  assert.is(changes.length, 8);
  for (const { filter, stream, reason, lost } of changes)
    assert.equal([filter, stream, reason, lost], ['b', 's', 'other-writer', 0]);
  spool.remove();
});

test.run();
