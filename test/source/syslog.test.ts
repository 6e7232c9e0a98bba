/**
 * Syslog over real sockets on loopback.
 */
import { type Socket, connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WeirError } from '../../host/errors.js';
import { type SyslogSource, createSyslogSource } from '../../host/source/syslog.js';
import { until } from '../help.js';
import { noticesOf, portOf, readText, readUntil, sendDatagrams } from './reading.js';

const SMALL = { capacityBytes: 1000, eventBytesMax: 100 };
const LOCAL = '127.0.0.1:0';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

async function connected(source: SyslogSource, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect(portOf(source.addresses().tcp), host);
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

async function openError(source: SyslogSource): Promise<WeirError> {
  try {
    await source.open();
  } catch (error) {
    return error as WeirError;
  }
  await source.close();
  return assert.unreachable('it opened') as never;
}

test('one datagram is one event, without its trailer, whatever it holds', async () => {
  const source = createSyslogSource('s', { udp: LOCAL });
  const cursor = source.cursor();
  await source.open();
  const datagrams = [
    '<1>a',
    '<2>b\n',
    '<3>c\r\n',
    '<4>d\n\0',
    '\n\0',
    '',
    '<5>e\n<6>f',
    '5 <7>g',
    '\xff\0\xfe',
    'last',
  ];
  await sendDatagrams(source.addresses().udp as string, datagrams.map(latin1));
  const text = await readUntil(cursor, (read) => read.endsWith('last\n'), 'the last datagram');
  assert.is(text, '<1>a\n<2>b\n<3>c\n<4>d\n<5>e#012<6>f\n5 <7>g\n\xff\0\xfe\nlast\n');
  await source.close();
});

test('datagrams that find no room push out the oldest events, and each is counted', async () => {
  const source = createSyslogSource('s', { udp: LOCAL }, { inbox: SMALL });
  const cursor = source.cursor();
  await source.open();
  let received = 0;
  source.onData(() => {
    received += 1;
  });
  const datagrams = Array.from({ length: 300 }, (_, at) => `event ${String(at).padStart(3, '0')}`);
  await sendDatagrams(source.addresses().udp as string, datagrams.map(latin1));
  await until(() => received === 300, 10_000, 'all datagrams');
  const lines = readText(cursor).split('\n').slice(0, -1);
  assert.equal(lines, datagrams.slice(-100));
  assert.is(cursor.lostEvents(), 200);
  await source.close();
});

test('a connection may use both framings, in pieces, and its last line needs no end', async () => {
  const source = createSyslogSource('s', { tcp: LOCAL });
  const cursor = source.cursor();
  await source.open();
  const socket = await connected(source);
  socket.setNoDelay(true);
  for (const piece of ['<1>li', 'ne\n1', '0 <2>coun', 'ted\n6', ' <3>a\nb<4>rest']) {
    await new Promise((written) => socket.write(piece, written));
  }
  socket.end();
  const text = await readUntil(cursor, (read) => read.endsWith('rest\n'), 'the rest');
  assert.is(text, '<1>line\n<2>counted\n<3>a#012b\n<4>rest\n');
  await source.close();
});

test('what had arrived on a connection that broke is kept', async () => {
  const source = createSyslogSource('s', { tcp: LOCAL });
  const cursor = source.cursor();
  await source.open();
  const socket = await connected(source);
  socket.write('<1>whole\n<2>part');
  const before = await readUntil(cursor, (read) => read !== '', 'the whole line');
  socket.resetAndDestroy();
  const after = await readUntil(cursor, (read) => read !== '', 'the part');
  assert.equal([before, after], ['<1>whole\n', '<2>part\n']);
  await source.close();
});

test('senders wait while the inbox is full: every message of each arrives, in order', async () => {
  const source = createSyslogSource('s', { tcp: LOCAL }, { inbox: SMALL, idleMs: 50 });
  const cursor = source.cursor();
  await source.open();
  const senders = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => ({ name, socket: await connected(source) })),
  );
  const messagesOf = (name: string) =>
    Array.from({ length: 5000 }, (_, at) => `<1>${name} ${at} ${'.'.repeat(at % 50)}`);
  for (const { name, socket } of senders) socket.end(`${messagesOf(name).join('\n')}\n`);
  // Longer than the idle time, which must not count against who is made to wait.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const finished = (text: string) => senders.every(({ name }) => text.includes(`<1>${name} 4999 `));
  const lines = (await readUntil(cursor, finished, 'the last messages')).split('\n');
  for (const { name } of senders) {
    assert.equal(
      lines.filter((line) => line.startsWith(`<1>${name} `)),
      messagesOf(name),
      name,
    );
  }
  assert.is(cursor.lostEvents(), 0);
  await source.close();
});

test('a peer that counts wrongly harms only itself, and is told of', async () => {
  const source = createSyslogSource('s', { tcp: LOCAL }, { inbox: SMALL });
  const cursor = source.cursor();
  const notices = noticesOf(source);
  await source.open();
  const [honest, wrong] = [await connected(source), await connected(source)];
  wrong.write('99999999 x\n12:30 y\n50 <1>short');
  honest.write('8 <1>first');
  await readUntil(
    cursor,
    (read) => read.includes('12:30 y\n') && read.includes('<1>first\n'),
    'the first messages',
  );
  wrong.end();
  honest.end('9 <1>second');
  const text = await readUntil(cursor, (read) => read.length >= 19, 'the others');
  assert.equal(text.split('\n').sort(), ['', '<1>second', '<1>short']);
  assert.equal(notices, ['source s: 127.0.0.1 began 2 frames with digits that are no octet count']);
  assert.is(source.truncatedEvents(), 1, 'the message that was shorter than its count');
  await source.close();
});

test('a message that is cut, framed and escaped, is counted once', async () => {
  const source = createSyslogSource('s', { tcp: LOCAL }, { inbox: SMALL });
  const cursor = source.cursor();
  await source.open();
  const socket = await connected(source);
  const message = 'a\n'.repeat(75);
  socket.end(`${message.length} ${message}<1>next\n`);
  const text = await readUntil(cursor, (read) => read.endsWith('next\n'), 'the next');
  assert.is(text, `${'a#012'.repeat(20)}\n<1>next\n`);
  assert.is(source.truncatedEvents(), 1);
  await source.close();
});

test('connections above the limit are refused and told of once, and one that ends makes room', async () => {
  const source = createSyslogSource('s', { tcp: LOCAL }, { connectionsMax: 2 });
  const cursor = source.cursor();
  const notices = noticesOf(source);
  await source.open();
  const open = [await connected(source), await connected(source)];
  for (let count = 0; count < 3; count += 1) {
    const refused = await connected(source);
    await new Promise((closed) => refused.once('close', closed).resume());
  }
  assert.equal(notices, ['source s: refused a connection from 127.0.0.1: 2 are open, which is the limit']);
  open[0]?.end('<1>bye\n');
  await new Promise((closed) => open[0]?.once('close', closed).resume());
  const third = await connected(source);
  third.end('<1>hello\n');
  assert.is(await readUntil(cursor, (read) => read.endsWith('hello\n'), 'hello'), '<1>bye\n<1>hello\n');
  await source.close();
});

test('a connection that stays silent is closed, and its unfinished line kept', async () => {
  const source = createSyslogSource('s', { tcp: LOCAL }, { idleMs: 50 });
  const cursor = source.cursor();
  await source.open();
  const socket = await connected(source);
  socket.write('<1>unfinished');
  await new Promise((closed) => socket.once('close', closed).resume());
  assert.is(await readUntil(cursor, (read) => read !== '', 'the line'), '<1>unfinished\n');
  await source.close();
});

test('closing keeps what has arrived and ends every connection', async () => {
  const source = createSyslogSource('s', { tcp: LOCAL, udp: LOCAL });
  const cursor = source.cursor();
  await source.open();
  const socket = await connected(source);
  socket.write('<1>whole\n<2>part');
  await readUntil(cursor, (read) => read === '<1>whole\n', 'the whole line');
  const closed = new Promise((resolve) => socket.once('close', resolve).resume());
  await source.close();
  await closed;
  assert.is(readText(cursor), '<2>part\n');
  assert.ok(cursor.ended());
  assert.equal(source.addresses(), {});
});

test('a busy port is an error that names the address, and leaves nothing open', async () => {
  const first = createSyslogSource('first', { udp: LOCAL, tcp: LOCAL });
  await first.open();
  const { udp, tcp } = first.addresses() as { udp: string; tcp: string };
  for (const [protocol, listen] of [['udp', { udp }] as const, ['tcp', { udp: LOCAL, tcp }] as const]) {
    const error = await openError(createSyslogSource('second', listen));
    assert.is(error.code, 'PORT_UNAVAILABLE');
    assert.match(
      error.message,
      `source second: ${protocol} ${protocol === 'udp' ? udp : tcp}: expected to listen there`,
    );
    assert.match(error.message, 'EADDRINUSE');
  }
  await first.close();
});

test('an address that this host does not have is an error that names it', async () => {
  const error = await openError(createSyslogSource('s', { tcp: '192.0.2.1:5514' }));
  assert.is(error.code, 'ADDRESS_MISSING');
  assert.match(
    error.message,
    'tcp 192.0.2.1:5514: expected to listen there, found no such address on this host (EADDRNOTAVAIL); configure an address that this host has',
  );
});

test('an address of another form is refused', async () => {
  for (const udp of [
    '5514',
    '127.0.0.1',
    '127.0.0.1:',
    ':514',
    '::1:514',
    '[::1]',
    '[localhost]:1',
    'a:65536',
    'a:b',
  ]) {
    const error = await openError(createSyslogSource('s', { udp }));
    assert.is(error.code, 'SOURCE_INVALID', udp);
    assert.match(error.message, `found "${udp}"`);
  }
  assert.is((await openError(createSyslogSource('s', {}))).code, 'SOURCE_INVALID');
});

test('IPv6 addresses stand in brackets', async () => {
  const hasLoopback = Object.values(networkInterfaces()).some((found) =>
    found?.some(({ address }) => address === '::1'),
  );
  if (!hasLoopback) {
    console.log('note: skipped, this host has no IPv6 loopback');
    return;
  }
  const source = createSyslogSource('s', { udp: '[::1]:0', tcp: '[::1]:0' });
  const cursor = source.cursor();
  await source.open();
  const { udp, tcp } = source.addresses();
  assert.match(udp as string, /^\[::1\]:\d+$/);
  assert.match(tcp as string, /^\[::1\]:\d+$/);
  await sendDatagrams(udp as string, [latin1('<1>udp')]);
  (await connected(source, '::1')).end('<1>tcp\n');
  const text = await readUntil(cursor, (read) => read.length >= 14, 'both');
  assert.equal(text.split('\n').sort(), ['', '<1>tcp', '<1>udp']);
  await source.close();
});

test.run();
