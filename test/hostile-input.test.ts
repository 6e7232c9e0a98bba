/**
 * Rubbish costs nothing but itself: every filter, fed with bytes that nobody meant for it, goes on, counts each
 * line once, and tells of the good line before and behind exactly what it always tells.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Ledger } from '../host/filter/abi.js';
import { loadFilter } from '../host/filter/library.js';
import type { WireRecord } from '../host/wire.js';
import { type Said, saidHere } from './command.js';
import { ledgerAddsUp, runFilter, seeded } from './filter.js';
import { temporaryFolder } from './help.js';

const NOW = '2026-01-31T12:00:00Z';
const BATCH_BYTES = [64, 512, 4_096, 1_048_576];
const TEN_MEGABYTES = 10_000_000;
const LF = 10;

/** A filter, a line that it tells of in one record, and how such a line begins when something else follows. */
interface Subject {
  readonly name: string;
  readonly config: object;
  /** Takes any printable bytes behind it, as much as one likes, and still gives the same record. */
  readonly good: (who: string) => string;
  readonly padding: string;
  /** Begins a line that gets past the prefilter and into the parser. */
  readonly lead: string;
  readonly whoOf: (record: WireRecord) => unknown;
}

const SUBJECTS: readonly Subject[] = [
  {
    name: 'ssh-auth',
    config: {},
    good: (who) =>
      `Jan 30 10:00:00 fw-01 sshd[7]: Accepted publickey for ${who} from 203.0.113.9 port 5 ssh2: RSA SHA256:a`,
    padding: 'a',
    lead: 'Jan 30 10:00:00 fw-01 sshd[7]: Failed password for ',
    whoOf: ({ user }) => user,
  },
  {
    name: 'json-select',
    config: {
      where: [{ field: 'who', starts_with: 'good' }],
      keep: ['who', 'list'],
      count_by: ['who'],
      window: '1h',
    },
    good: (who) => `{"ts":"2026-01-30T10:00:00Z","who":"${who}","list":[1,{"a":"\\u00fc"}]}`,
    padding: ' ',
    lead: '{"list":["good',
    whoOf: ({ who }) => who,
  },
  {
    name: 'processes',
    config: { ignore: ['/bin/true'] },
    good: (who) => `{"ts":1769767200000,"op":"start","pid":7,"exe":"/opt/${who}","cmdline":"a b","uid":0}`,
    padding: ' ',
    lead: '{"op":"start","pid":7,"exe":"/opt/',
    whoOf: ({ exe }) => (typeof exe === 'string' ? exe.replace('/opt/', '') : undefined),
  },
  {
    name: 'files',
    config: {},
    good: (who) => `{"ts":1769767200000,"op":"create","path":"/opt/${who}","type":"file","mode":"0755"}`,
    padding: ' ',
    lead: '{"op":"create","type":"file","mode":"0755","path":"/opt/',
    whoOf: ({ path }) => (typeof path === 'string' ? path.replace('/opt/', '') : undefined),
  },
];

function each(claim: string, prove: (subject: Subject) => void | Promise<void>): void {
  for (const subject of SUBJECTS) test(`${subject.name}: ${claim}`, () => prove(subject));
}

const run = (subject: Subject, input: Uint8Array, batchBytes = 65_536) =>
  runFilter(subject.name, input, { config: subject.config, now: NOW, batchBytes });

/** The records of good lines, in order: not those of windows, and not what rubbish may have been taken for. */
const goodOnes = (subject: Subject, records: readonly WireRecord[]) =>
  records.filter(
    (record) => !('window_ms' in record) && /^good-\d+$/.test(String(subject.whoOf(record) ?? '')),
  );

/** What the good line alone gives. */
function normalRecord(subject: Subject, who: string): WireRecord {
  const [record, ...others] = goodOnes(subject, run(subject, Buffer.from(`${subject.good(who)}\n`)).records);
  assert.ok(record, `${subject.name} tells of ${subject.good(who)}`);
  assert.is(others.length, 0);
  return record as WireRecord;
}

/** Lines, of which the last one may lack its LF. */
function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) lines++;
  return bytes.length > 0 && bytes[bytes.length - 1] !== LF ? lines + 1 : lines;
}

const regionBytes = (subject: Subject) => loadFilter(subject.name).manifest.memory.input;

function randomBytes(below: (limit: number) => number, bytes: number): Buffer {
  return Buffer.from(
    Uint8Array.from({ length: bytes }, () => below(256)).map((byte) => (byte === LF ? 0 : byte)),
  );
}

const text = (line: string) => Buffer.from(line);

/** One bad line each, without its LF. */
const RUBBISH: Readonly<Record<string, Buffer>> = {
  'nothing at all': text(''),
  'a lone CR': text('\r'),
  'many CRs': text('\r'.repeat(100)),
  spaces: text(' '.repeat(1_000)),
  'NUL bytes': Buffer.alloc(3_000),
  'bytes 0xff': Buffer.alloc(3_000, 0xff),
  'random bytes': randomBytes(seeded(1), 5_000),
  'more random bytes than a region holds': randomBytes(seeded(2), 600_000),
  'overlong and surrogate UTF-8': Buffer.from('c080e080afeda080f08080aff4908080f8888080', 'hex'),
  'UTF-8 that is cut short': Buffer.from('e282', 'hex'),
  'lone continuation bytes': Buffer.alloc(1_000, 0x80),
  quotes: text('"'.repeat(5_001)),
  backslashes: text('\\'.repeat(5_001)),
  'escaped quotes': text(`{"who":"${'\\"'.repeat(5_000)}`),
  'opening brackets': text('['.repeat(200_000)),
  'closing brackets': text('}'.repeat(5_000)),
  'objects in objects': text(`${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`),
  'lists in an object': text(`{"list":${'['.repeat(5_000)}${']'.repeat(5_000)},"who":"x"}`),
  'half of a surrogate pair': text('{"who":"\\ud83d","list":"\\u"}'),
  'colons and commas': text(`{${':,'.repeat(5_000)}}`),
  'numbers without end': text(`{"ts":${'9'.repeat(5_000)},"op":-,"who":1e999999999}`),
  'a parameter of 200 kB': text(`<86>1 - h sshd 7 - [a b="${'x'.repeat(200_000)}"] Failed password for `),
  'twenty thousand elements': text(
    `<86>1 - h sshd 7 - ${Array.from({ length: 20_000 }, (_, at) => `[${at}]`).join('')} Failed password for `,
  ),
  'an element that never ends': text(`<86>1 - h sshd 7 - [a b="${'\\"'.repeat(100_000)} Accepted `),
  'a priority without end': text(`<${'1'.repeat(5_000)}> Failed password for `),
  'a line of 10 MB': Buffer.alloc(TEN_MEGABYTES, 'x'),
};

each('a good line before and behind each bad one gives exactly its normal record', (subject) => {
  const before = normalRecord(subject, 'good-1');
  const behind = normalRecord(subject, 'good-2');
  for (const [what, bad] of Object.entries(RUBBISH)) {
    for (const line of [bad, Buffer.concat([text(subject.lead), bad])]) {
      const input = Buffer.concat([
        text(`${subject.good('good-1')}\n`),
        line,
        text(`\n${subject.good('good-2')}\n`),
      ]);
      const result = run(subject, input);
      assert.equal(goodOnes(subject, result.records), [before, behind], what);
      assert.is(result.ledger.in, 3, what);
      assert.is(result.ledger.truncated, line.length < regionBytes(subject) ? 0 : 1, what);
      assert.ok(ledgerAddsUp(result), what);
    }
  }
});

each('a bad line at the very end, with or without LF, is one line', (subject) => {
  const good = text(`${subject.good('good-1')}\n`);
  for (const [what, bad] of Object.entries(RUBBISH)) {
    for (const end of ['', '\n']) {
      const input = Buffer.concat([good, bad, text(end)]);
      const result = run(subject, input);
      assert.equal(goodOnes(subject, result.records), [normalRecord(subject, 'good-1')], what);
      assert.is(result.ledger.in, linesIn(input), what);
      assert.ok(ledgerAddsUp(result), what);
    }
  }
});

each('CR LF, LF and no line end at all give the same record', (subject) => {
  for (const end of ['\n', '\r\n', '', '\r']) {
    const { records, ledger } = run(subject, text(`\r\n\n${subject.good('good-1')}${end}`));
    assert.equal(goodOnes(subject, records), [normalRecord(subject, 'good-1')], JSON.stringify(end));
    assert.equal([ledger.in, ledger.kept], [3, 1]);
  }
});

test('the CR of CR LF is no part of an event', () => {
  const line = 'Jan 30 10:00:00 fw-01 sshd[7]: Failed password for root from 203.0.113.9 port 5 ssh2';
  const login = runFilter('ssh-auth', text(`${line}\r\n`), { now: NOW });
  assert.ok(login.bytes.equals(runFilter('ssh-auth', text(`${line}\n`), { now: NOW }).bytes));
  assert.is(login.ledger.kept, 1);
  const config = { where: [{ field: 'a', equals: 1 }] };
  const { records } = runFilter('json-select', text('{"a":1}\r\n{"a":1}\r\r\n'), { config });
  assert.equal(
    records.map((record) => record.line),
    ['{"a":1}', '{"a":1}\r'],
  );
});

each('text in a record is valid UTF-8, each broken part of it U+FFFD', (subject) => {
  for (const hex of [
    'ff',
    'c080',
    'e08080',
    'eda080',
    'f4908080',
    'e282',
    'f09f92',
    '80',
    'c3c3bc',
    'f09f9280ff',
  ]) {
    const [before, behind] = subject.good('good-~').split('~') as [string, string];
    const who = Buffer.concat([text('good-'), Buffer.from(hex, 'hex')]);
    const { records, bytes } = run(
      subject,
      Buffer.concat([text(before).subarray(0, -5), who, text(`${behind}\n`)]),
    );
    const expected = new TextDecoder().decode(who);
    assert.is(subject.whoOf(records[0] ?? {}), expected, hex);
    assert.ok(bytes.includes(expected), hex);
  }
});

each('a line is cut only where it does not fit the input region with its LF', (subject) => {
  const region = regionBytes(subject);
  const normal = normalRecord(subject, 'good-1');
  const next = normalRecord(subject, 'good-2');
  for (const bytes of [
    region - 2,
    region - 1,
    region,
    region + 1,
    2 * region - 1,
    2 * region,
    TEN_MEGABYTES,
  ]) {
    const line = subject.good('good-1').padEnd(bytes, subject.padding);
    const isCut = bytes >= region;
    const expected = isCut ? { ...normal, truncated: true } : normal;
    const two = text(`${line}\n${subject.good('good-2')}\n`);
    const one = text(line);
    for (const batchBytes of BATCH_BYTES) {
      const followed = run(subject, two, batchBytes);
      assert.equal(goodOnes(subject, followed.records), [expected, next], `${bytes} of ${region} bytes`);
      assert.equal([followed.ledger.in, followed.ledger.truncated], [2, isCut ? 1 : 0], `${bytes} bytes`);
      const last = run(subject, one, batchBytes);
      assert.equal(goodOnes(subject, last.records), [expected], `${bytes} of ${region} bytes, no LF`);
      assert.equal([last.ledger.in, last.ledger.truncated], [1, isCut ? 1 : 0], `${bytes} bytes, no LF`);
    }
  }
});

/** A good line, a damaged one, or rubbish; each with a line end that may be LF or CR LF. */
function anyLine(subject: Subject, below: (limit: number) => number, at: number): Buffer {
  const end = text(below(4) ? '\n' : '\r\n');
  const kind = below(10);
  if (kind < 4) return Buffer.concat([text(subject.good(`good-${at}`)), end]);
  if (kind < 6) return Buffer.concat([randomBytes(below, below(400)), end]);
  if (kind < 8) {
    const damaged = text(subject.good(`bad-${at}`));
    for (let flips = 1 + below(5); flips > 0; flips--) damaged[below(damaged.length)] = below(256);
    return Buffer.concat([damaged.filter((byte) => byte !== LF), end]);
  }
  const names = Object.keys(RUBBISH).filter((name) => (RUBBISH[name] as Buffer).length < 10_000);
  const bad = RUBBISH[names[below(names.length)] as string] as Buffer;
  return Buffer.concat([text(below(2) ? subject.lead : ''), bad, end]);
}

each('whatever is mixed, each line counts once and the output is the same for every batch', (subject) => {
  for (let seed = 1; seed <= 20; seed++) {
    const below = seeded(seed * 7_919);
    const parts = Array.from({ length: 200 }, (_, at) => anyLine(subject, below, at));
    if (seed % 5 === 0) {
      const about = regionBytes(subject) - 2 + below(4);
      parts.splice(below(200), 0, text(`${'y'.repeat(about)}\n`));
    }
    const joined = Buffer.concat(parts);
    const input = below(2) ? joined : joined.subarray(0, joined.length - 1);
    const [first, ...others] = BATCH_BYTES.map((batchBytes) => run(subject, input, batchBytes));
    assert.is(first?.ledger.in, linesIn(input), `seed ${seed}`);
    const wanted = [...input.toString('latin1').matchAll(/good-\d+(?=[ "])/g)].map(([who]) => who);
    const found = goodOnes(subject, first?.records ?? []).map((record) => subject.whoOf(record));
    assert.equal(found, wanted, `seed ${seed}`);
    for (const other of others) {
      assert.ok(first?.bytes.equals(other.bytes), `seed ${seed}: the same bytes`);
      assert.equal(other.ledger, first?.ledger, `seed ${seed}`);
      assert.ok(ledgerAddsUp(other), `seed ${seed}`);
    }
  }
});

function replay({ name, config }: Subject, files: readonly string[], batchBytes: number): Promise<Said> {
  const given = ['--config-json', JSON.stringify(config), '--now', NOW, '--batch-bytes', String(batchBytes)];
  return saidHere(['replay', name, ...files, ...given, '--stats']);
}

each('files of rubbish, the first ended inside of a 10 MB line, replay to the end', async (subject) => {
  const folder = await temporaryFolder();
  const parts: Buffer[] = [];
  const bad = Object.values(RUBBISH);
  for (const [at, line] of bad.entries()) {
    parts.push(text(`${subject.good(`good-${at}`)}\r\n`), line, text('\n'));
  }
  // Passed over in whole regions, so that the last read of the rest fills its target to the last byte.
  const unended = Buffer.alloc(40 * regionBytes(subject) - 1, 'z');
  const first = Buffer.concat([...parts, unended]);
  const second = text(`${subject.good(`good-${bad.length}`)}\n${subject.good(`good-${bad.length + 1}`)}`);
  const files = [join(folder.path, 'first.log'), join(folder.path, 'second.log')];
  writeFileSync(files[0] as string, first);
  writeFileSync(files[1] as string, second);
  const outputs = new Set<string>();
  for (const batchBytes of BATCH_BYTES) {
    const { code, out, err, records } = await replay(subject, files, batchBytes);
    assert.is(code, 0, err);
    const [stats, ...notices] = err.trim().split('\n');
    assert.equal(notices, [], 'nothing but the figures');
    const { ledger } = JSON.parse(stats as string) as { ledger: Ledger };
    assert.is(ledger.in, linesIn(first) + linesIn(second));
    assert.is(ledger.in, ledger.kept + ledger.aggregated + ledger.discarded + ledger.malformed);
    const cut = bad.filter((line) => line.length >= regionBytes(subject)).length + 1;
    assert.is(ledger.truncated, cut);
    assert.equal(
      goodOnes(subject, records()).map((record) => subject.whoOf(record)),
      Array.from({ length: bad.length + 2 }, (_, at) => `good-${at}`),
    );
    outputs.add(out);
  }
  assert.is(outputs.size, 1, 'the same records for every size of batch');
  await folder.remove();
});

test.run();
