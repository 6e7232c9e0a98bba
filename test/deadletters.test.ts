/**
 * Dead letters: what they tell of an event is what the manifest allows, exact, and not without end.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createDeadLetters } from '../host/deadletters.js';
import { WeirError } from '../host/errors.js';
import { FilterFault } from '../host/filter/fault.js';
import { type Manifest, parseManifest } from '../host/filter/manifest.js';
import { DEAD_LETTERS_MAX, DEAD_LINE_BYTES_MAX, LEDGER_WINDOW_MS } from '../host/limits.js';
import { unpack } from '../host/pack.js';
import type { Message, WireRecord } from '../host/wire.js';
import { MANIFEST } from './filter/hostile.js';

const NOW_MS = Date.parse('2026-01-31T12:00:00Z');
const FAULT = new FilterFault('f', 'trap', 'stopped: unreachable');

function bury(line: string | Buffer, changes: Partial<Manifest> = {}, error: unknown = FAULT): WireRecord {
  const messages: Message[] = [];
  const { bury: send } = createDeadLetters({
    appliance: 'a',
    instance: 'f',
    send: (message) => messages.push(message),
  });
  const manifest = { ...MANIFEST, ...changes };
  const bytes = Buffer.concat([Buffer.from(line), Buffer.from('\n')]);
  send({ nowMs: NOW_MS, error, source: 's', line: bytes, manifest, filter: 'f@1.0.0+0' });
  const [{ subject, headers, body }] = messages as [Message];
  assert.is(subject, 'weir.dead.a.f');
  assert.equal([headers['Weir-Stream'], headers['Weir-Events']], ['dead', '1']);
  const records: WireRecord[] = [];
  unpack(headers, body, (record) => records.push(record));
  assert.is(records.length, 1);
  return records[0] as WireRecord;
}

test('a line is told as it was, cut at a limit, and in base64 where it is no UTF-8', () => {
  assert.equal(bury('user=Zoë "x"'), {
    ts: NOW_MS,
    kind: 'trap',
    reason: 'filter f: stopped: unreachable',
    source: 's',
    bytes: 13,
    line: 'user=Zoë "x"',
  });
  const long = bury('x'.repeat(DEAD_LINE_BYTES_MAX + 1));
  assert.equal([(long.line as string).length, long.truncated, long.bytes], [4_096, true, 4_097]);
  const raw = Buffer.from([0xff, 0x00, 0x41]);
  assert.is(bury(raw).line_base64, raw.toString('base64'));
  assert.is(bury(raw).line, undefined);
  const cutInside = bury(`${'x'.repeat(DEAD_LINE_BYTES_MAX - 1)}ë`);
  assert.is(Buffer.from(cutInside.line_base64 as string, 'base64').length, DEAD_LINE_BYTES_MAX);
});

test('the manifest may let only the shape of a line be told, or its length', () => {
  const masked = bury('user=Zoë pw=s3cret\t"x"', { deadLetter: 'masked' });
  assert.is(masked.masked, 'aaaa=aa?? aa=a0aaaa?"a"');
  assert.is(masked.line, undefined);
  const length = bury('user=root', { deadLetter: 'length' });
  assert.equal(length, {
    ts: NOW_MS,
    kind: 'trap',
    reason: 'filter f: stopped: unreachable',
    source: 's',
    bytes: 9,
  });
  for (const wrong of ['all', 1, null])
    assert.throws(
      () => parseManifest({ ...written(), dead_letter: wrong }, 'filter.json'),
      /dead_letter: expected one of line, masked, length/,
    );
  for (const wrong of [-1, 101, 1.5, '3'])
    assert.throws(
      () => parseManifest({ ...written(), faults: wrong }, 'filter.json'),
      /faults: expected a whole number from 0 to 100/,
    );
});

/** As in a file. */
function written(): object {
  const { memoryBytes: _, deadLetter: __, memory, ...manifest } = MANIFEST;
  const sizes = Object.entries(memory).map(([region, bytes]) => [region, `${bytes / 1024}KiB`]);
  return { ...manifest, memory: Object.fromEntries(sizes) };
}

test('any error has a reason, in words without a remedy', () => {
  assert.is(bury('x', {}, new WeirError('USAGE', 'what it is')).reason, 'what it is');
  assert.equal(
    [bury('x', {}, new Error('odd')).reason, bury('x', {}, new Error('odd')).kind],
    ['odd', 'rules'],
  );
});

test('in a minute only so many are sent, numbered without holes', () => {
  const seqs: number[] = [];
  const { bury: send } = createDeadLetters({
    appliance: 'a',
    instance: 'f',
    send: ({ seq }) => seqs.push(seq),
  });
  const letter = { error: FAULT, source: undefined, line: Buffer.alloc(0), manifest: MANIFEST, filter: 'f' };
  for (let at = 0; at < DEAD_LETTERS_MAX + 50; at++) send({ ...letter, nowMs: NOW_MS });
  assert.is(seqs.length, DEAD_LETTERS_MAX);
  send({ ...letter, nowMs: NOW_MS + LEDGER_WINDOW_MS });
  assert.equal(
    seqs,
    seqs.map((_, at) => at + 1),
  );
  assert.is(seqs.length, DEAD_LETTERS_MAX + 1);
});

test.run();
