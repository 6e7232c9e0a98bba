/**
 * Syslog messages out of the bytes of a connection: RFC 6587 and what senders make of it.
 *
 * The cases of Telegraf's syslog input (influxdata/telegraf, plugins/inputs/syslog/testcases, MIT) are read from a
 * folder beside the repository when it is there. They are framed here, not parsed, so two that Telegraf answers
 * with nothing but an error give events here: evidence is kept.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createFraming, type Framing } from '../../host/source/framing.js';
import { createSyslogSource } from '../../host/source/syslog.js';
import { createRandom, pieces, readUntil, sendDatagrams } from './reading.js';

const LIMIT = 40;
const CASES_FOLDER = join('..', 'shared', 'corpus', 'syslog', 'telegraf-framing');

interface Framed {
  readonly framing: Framing;
  readonly messages: string[];
}

function collect(eventBytesMax = LIMIT): Framed {
  const messages: string[] = [];
  const framing = createFraming(eventBytesMax, (event, extent) => {
    messages.push(`${extent === 'cut' ? 'cut:' : ''}${Buffer.from(event).toString()}`);
  });
  return { framing, messages };
}

function frame(bytes: Iterable<Buffer>, eventBytesMax?: number): string[] {
  const { framing, messages } = collect(eventBytesMax);
  for (const piece of bytes) assert.is(framing.push(piece), piece.length);
  framing.end();
  return messages;
}

const x = (count: number) => 'x'.repeat(count);

/** What comes over the connection, and the messages in it. */
const VECTORS: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  nothing: ['', []],
  'lines ended by LF': ['<1>a\n<2>b\n', ['<1>a', '<2>b']],
  'lines ended by CR LF': ['<1>a\r\n<2>b\r\n', ['<1>a', '<2>b']],
  'empty lines are no messages': ['\n<1>a\n\r\n\n<2>b\n', ['<1>a', '<2>b']],
  'a line without an end, at the end': ['<1>a\n<2>b', ['<1>a', '<2>b']],
  'octet counts': ['4 <1>a5 <2>bc', ['<1>a', '<2>bc']],
  'a message with newlines': ['9 <1>a\nb\n\nc4 <2>d', ['<1>a\nb\n\nc', '<2>d']],
  'octets are bytes, not characters': ['5 <1>Ø4 <2>b', ['<1>Ø', '<2>b']],
  'LF after an octet-counted message': ['4 <1>a\n4 <2>b\n', ['<1>a', '<2>b']],
  'both framings on one connection': ['4 <1>a<2>b\n4 <3>c<4>d\n', ['<1>a', '<2>b', '<3>c', '<4>d']],
  'no priority': ['hello\n3 abc', ['hello', 'abc']],
  'a line of the greatest size': [`${x(LIMIT)}\r\nb\n`, [x(LIMIT), 'b']],
  'a longer line is cut, the next is intact': [`${x(900)}\n<2>b\n`, [`cut:${x(LIMIT)}`, '<2>b']],
  'a counted message of the greatest size': [`${LIMIT} ${x(LIMIT)}3 abc`, [x(LIMIT), 'abc']],
  'a longer counted message is cut, the next is intact': [`900 ${x(900)}3 abc`, [`cut:${x(LIMIT)}`, 'abc']],
  'a message shorter than its count': ['16 <1>2', ['cut:<1>2']],
  'a count without a message': ['16 ', []],
  'digits alone': ['1234', ['1234']],
  'digits alone on a line': ['1234\n<1>a\n', ['1234', '<1>a']],
  'a line that begins with digits': [
    '2026-01-02T03:04:05 host\n<1>a\n',
    ['2026-01-02T03:04:05 host', '<1>a'],
  ],
  'seven digits count': [`9999999 ${x(50)}`, [`cut:${x(LIMIT)}`]],
  'eight digits do not': ['10000000 abc\n4 <1>a', ['10000000 abc', '<1>a']],
  'more digits than any number holds': [`${'9'.repeat(400)}\n4 <1>a`, [`cut:${'9'.repeat(LIMIT)}`, '<1>a']],
  'zero is no count': ['0 abc\n4 <1>a', ['0 abc', '<1>a']],
  'NUL and invalid UTF-8 are a message like any other': ['3 \0\0\0\0\0\n<1>a\n', ['\0\0\0', '\0\0', '<1>a']],
};

for (const [name, [text, messages]] of Object.entries(VECTORS)) {
  test(`framing: ${name}`, () => {
    const bytes = Buffer.from(text);
    assert.equal(frame([bytes]), messages);
    assert.equal(frame(Array.from(bytes, (byte) => Buffer.of(byte))), messages, 'byte by byte');
  });
}

test('digits that are no octet count are counted', () => {
  const { framing } = collect();
  framing.push(Buffer.from('12:30 a\n10000000 b\n3 abc<1>d\n'));
  assert.is(framing.badCounts(), 2);
});

test('any bytes give the same messages whatever the chunks, and an honest connection keeps its bytes', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = createRandom(seed);
    const text = Array.from({ length: random(150) }, () => '0123456789 <>\r\n\nabc'[random(19)]).join('');
    const bytes = Buffer.from(text);
    const pieceBytesMax = 1 + random(20);
    assert.equal(
      frame(pieces(bytes, random, pieceBytesMax)),
      frame([bytes]),
      `seed ${seed}: ${JSON.stringify(text)}`,
    );
    const sent = Array.from({ length: random(20) }, () => `<${random(192)}>${'a b\n1'.repeat(random(5))}.`);
    const counted = Buffer.from(sent.map((message) => `${message.length} ${message}`).join(''));
    assert.equal(frame(pieces(counted, random, pieceBytesMax)), sent, `seed ${seed}, counted`);
  }
});

test('it stops where there is no room, and loses nothing when the rest comes again', () => {
  const messages: string[] = [];
  let room = 0;
  const onEvent = (event: Uint8Array) => {
    room -= 1;
    messages.push(Buffer.from(event).toString());
  };
  const framing = createFraming(LIMIT, onEvent, () => room > 0);
  let rest = Buffer.from('4 <1>a12:30 b\n<2>c\n4 <3>d');
  for (room of [0, 1, 1, 1, 1]) rest = rest.subarray(framing.push(rest));
  assert.equal(messages, ['<1>a', '12:30 b', '<2>c', '<3>d']);
});

/** One point of the influx line protocol, as far as these cases need it. */
interface Expected {
  readonly priority: number;
  readonly version: string;
  /** The part of the message after its header; none when it has none. */
  readonly message: string;
}

function expectedOf(folder: string): Expected[] {
  const path = join(folder, 'expected.out');
  if (!existsSync(path)) return [];
  const points = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return points.map((point) => {
    const field = (pattern: RegExp) => pattern.exec(point)?.[1] ?? '';
    const quoted = field(/[ ,]message="((?:[^"\\]|\\.)*)"/);
    return {
      priority: Number(field(/facility_code=(\d+)i/)) * 8 + Number(field(/severity_code=(\d+)i/)),
      version: field(/version=(\d+)u/),
      message: quoted.replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped)),
    };
  });
}

function assertMessages(found: readonly string[], expected: readonly Expected[], name: string): void {
  assert.is(found.length, expected.length, `${name}: ${JSON.stringify(found)}`);
  expected.forEach(({ priority, version, message }, at) => {
    const text = found[at] as string;
    assert.ok(text.startsWith(`<${priority}>${version}`), `${name}: ${text}`);
    assert.ok(text.endsWith(message), `${name}: ${text}`);
  });
}

/** Telegraf could not parse these and gives no message; here the bytes are events, whatever they hold. */
const KEPT_HERE: Readonly<Record<string, readonly string[]>> = {
  // A count that swallows the beginning of the next frame: its rest is a line, and both stay with their connection.
  octet_counting_strict_tcp_1st_underflow_malfunction: ['<1>217 <11>1 - -', ' - - - -'],
  rfc5424_strict_udp_min_incomplete: ['<1>2'],
};

async function datagramEvents(datagram: Buffer): Promise<string[]> {
  const source = createSyslogSource('udp', { udp: '127.0.0.1:0' });
  await source.open();
  const cursor = source.cursor();
  await sendDatagrams(source.addresses().udp as string, [datagram, Buffer.from('the next')]);
  const text = await readUntil(cursor, (read) => read.endsWith('the next\n'), 'both datagrams');
  await source.close();
  return Buffer.from(text, 'latin1').toString().split('\n').slice(0, -2);
}

async function telegrafCase(name: string): Promise<void> {
  const folder = join(CASES_FOLDER, name);
  const input = readFileSync(join(folder, 'input.txt'));
  const isUdp = readFileSync(join(folder, 'telegraf.conf'), 'utf8').includes('udp://');
  for (let seed = 1; seed <= (isUdp ? 1 : 20); seed += 1) {
    const random = createRandom(seed);
    const found = isUdp
      ? await datagramEvents(input)
      : frame(pieces(input, random, 1 + random(64)), 65_536).map((message) => message.replace(/^cut:/, ''));
    if (KEPT_HERE[name] !== undefined) assert.equal(found, KEPT_HERE[name], `${name}, seed ${seed}`);
    else assertMessages(found, expectedOf(folder), `${name}, seed ${seed}`);
  }
}

test("the cases of Telegraf's syslog input give the messages that stand beside them", async () => {
  if (!existsSync(CASES_FOLDER)) {
    console.log(`note: skipped, the folder ${CASES_FOLDER} is not there`);
    return;
  }
  const names = readdirSync(CASES_FOLDER);
  assert.ok(names.length > 0);
  for (const name of names) await telegrafCase(name);
});

test.run();
