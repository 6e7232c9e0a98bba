/**
 * The promises of an inbox one by one; `inboxmodel.test.ts` has them all together, `ringfile.test.ts` those of its file.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createInbox } from '../../host/source/inbox.js';
import type { Cursor } from '../../host/source/source.js';
import { readText } from './reading.js';

const bytesOf = (text: string) => Buffer.from(text, 'latin1');

function readUpTo(cursor: Cursor, bytesMax: number): string {
  const target = Buffer.alloc(bytesMax);
  return target.toString('latin1', 0, cursor.read(target).bytes);
}

test('an event is one line: nobody forges a second one with a newline', () => {
  const inbox = createInbox({ capacityBytes: 100, eventBytesMax: 50 });
  inbox.append(bytesOf('a\nsshd: Accepted password for root\n\nb'));
  assert.is(readText(inbox.cursor()), 'a#012sshd: Accepted password for root#012#012b\n');
});

test('one line end is taken off, an empty event is left out', () => {
  const inbox = createInbox({ capacityBytes: 100, eventBytesMax: 50 });
  for (const text of ['lf\n', 'crlf\r\n', 'cr\r', 'two\n\n', '', '\n', '\r\n']) inbox.append(bytesOf(text));
  assert.is(readText(inbox.cursor()), 'lf\ncrlf\ncr\r\ntwo#012\n');
  assert.is(inbox.truncatedEvents(), 0);
});

test('a longer event is cut at the limit, never inside of an escape, and counted once', () => {
  const inbox = createInbox({ capacityBytes: 100, eventBytesMax: 8 });
  for (const text of ['12345678', '123456789', '1234\n', '1234\n6', '12345\n7', '12\n34\n56'])
    inbox.append(bytesOf(text));
  assert.is(readText(inbox.cursor()), '12345678\n12345678\n1234\n1234#012\n12345\n12#01234\n');
  assert.is(inbox.truncatedEvents(), 4);
  inbox.append(bytesOf('123456789'), 'cut');
  inbox.append(bytesOf('1'), 'cut');
  assert.is(inbox.truncatedEvents(), 6);
});

test('on overflow the oldest events go, and only who had not read them counts them', () => {
  const inbox = createInbox({ capacityBytes: 12, eventBytesMax: 8 });
  const [fast, slow] = [inbox.cursor(), inbox.cursor()];
  for (const text of ['aaa', 'bbb', 'ccc']) inbox.append(bytesOf(text));
  assert.is(readText(fast), 'aaa\nbbb\nccc\n');
  inbox.append(bytesOf('dddd'));
  assert.is(readText(slow), 'ccc\ndddd\n');
  assert.is(readText(fast), 'dddd\n');
  assert.equal([fast.lostEvents(), slow.lostEvents()], [0, 2]);
});

test('a cursor within a dropped event goes on at the start of the next one, without skipping', () => {
  const inbox = createInbox({ capacityBytes: 20, eventBytesMax: 15 });
  const cursor = inbox.cursor();
  inbox.append(bytesOf('0123456789'));
  inbox.append(bytesOf('abc'));
  assert.is(readUpTo(cursor, 4), '0123');
  cursor.skipping = true;
  cursor.advance(4);
  inbox.append(bytesOf('defghi'));
  assert.not(cursor.skipping);
  assert.is(cursor.lostEvents(), 0, 'its beginning was read');
  assert.is(readText(cursor), 'abc\ndefghi\n');
});

test('an advance never goes back to what was dropped since the read', () => {
  const inbox = createInbox({ capacityBytes: 12, eventBytesMax: 11 });
  const cursor = inbox.cursor();
  inbox.append(bytesOf('aa'));
  inbox.append(bytesOf('bb'));
  assert.is(readUpTo(cursor, 3), 'aa\n');
  inbox.append(bytesOf('0123456789'));
  cursor.advance(3);
  assert.is(readText(cursor), '0123456789\n');
});

test('a new cursor begins at the oldest event held', () => {
  const inbox = createInbox({ capacityBytes: 8, eventBytesMax: 7 });
  for (const text of ['aaa', 'bbb', 'ccc']) inbox.append(bytesOf(text));
  const cursor = inbox.cursor();
  assert.is(readText(cursor), 'bbb\nccc\n');
  assert.is(cursor.lostEvents(), 0);
  assert.is(cursor.position(), undefined);
});

test('after the end a cursor is final with the last byte, and ended once that is read', () => {
  const inbox = createInbox({ capacityBytes: 8, eventBytesMax: 7 });
  let wakes = 0;
  inbox.onData(() => (wakes += 1));
  const cursor = inbox.cursor();
  inbox.append(bytesOf('aaa'));
  assert.equal(cursor.read(Buffer.alloc(8)), { bytes: 4, final: false });
  inbox.end();
  assert.is(wakes, 2);
  assert.equal(cursor.read(Buffer.alloc(3)), { bytes: 3, final: false });
  assert.equal(cursor.read(Buffer.alloc(4)), { bytes: 4, final: true });
  assert.not(cursor.ended());
  cursor.advance(4);
  assert.ok(cursor.ended());
});

test('free space is what the slowest cursor leaves', () => {
  const inbox = createInbox({ capacityBytes: 20, eventBytesMax: 7 });
  inbox.append(bytesOf('aaa'));
  assert.is(inbox.freeBytes(), 16, 'kept for a cursor that may come');
  const [fast, slow] = [inbox.cursor(), inbox.cursor()];
  inbox.append(bytesOf('bbb'));
  readText(fast);
  assert.is(inbox.freeBytes(), 12);
  readUpTo(slow, 4);
  slow.advance(4);
  assert.is(inbox.freeBytes(), 16);
});

test('who waits for room is called once, first come first served, and only as long as there is room', () => {
  const inbox = createInbox({ capacityBytes: 16, eventBytesMax: 7 });
  const cursor = inbox.cursor();
  const called: string[] = [];
  const waitThenFill = (name: string) =>
    inbox.onSpace(() => {
      called.push(name);
      inbox.append(bytesOf('1234567'));
      waitThenFill(name);
    });
  inbox.append(bytesOf('1234567'));
  inbox.append(bytesOf('1234567'));
  for (const name of ['a', 'b', 'c']) waitThenFill(name);
  for (let round = 0; round < 4; round += 1) {
    readUpTo(cursor, 8);
    cursor.advance(8);
  }
  assert.equal(called, ['a', 'b', 'c', 'a']);
  assert.is(cursor.lostEvents(), 0);
});

test('nobody waits for a cursor that is closed', () => {
  const inbox = createInbox({ capacityBytes: 16, eventBytesMax: 7 });
  const [dead, alive] = [inbox.cursor(), inbox.cursor()];
  inbox.append(bytesOf('1234567'));
  inbox.append(bytesOf('1234567'));
  readText(alive);
  let calls = 0;
  inbox.onSpace(() => {
    calls += 1;
  });
  assert.equal([inbox.freeBytes(), calls], [0, 0]);
  dead.close();
  dead.close();
  assert.equal([inbox.freeBytes(), calls], [16, 1]);
  alive.close();
  assert.is(inbox.freeBytes(), 16);
});

test('a place that is taken again counts what is gone meanwhile, and reads what is held', () => {
  const inbox = createInbox({ capacityBytes: 16, eventBytesMax: 7 });
  const cursor = inbox.cursor();
  cursor.reopen();
  for (const text of ['one', 'two']) inbox.append(bytesOf(text));
  assert.is(readUpTo(cursor, 4), 'one\n');
  cursor.advance(4);
  cursor.close();
  assert.is(cursor.lostEvents(), 1, 'what was held');
  for (const text of ['aaa', 'bbb', 'ccc', 'ddd', 'eee', 'fff']) inbox.append(bytesOf(text));
  assert.is(cursor.lostEvents(), 1);
  cursor.reopen();
  assert.is(cursor.lostEvents(), 3, 'and two that are held no more');
  assert.is(readText(cursor), 'ccc\nddd\neee\nfff\n');
  cursor.close();
  cursor.reopen();
  inbox.append(bytesOf('ggg'));
  assert.equal([readText(cursor), cursor.lostEvents()], ['ggg\n', 3]);
});

test('an inbox that could not hold one event is refused', () => {
  assert.throws(
    () => createInbox({ capacityBytes: 10, eventBytesMax: 10 }),
    /more than one event of 10 bytes/,
  );
});

test('a place is read again as long as nothing was written over it', () => {
  const inbox = createInbox({ capacityBytes: 16, eventBytesMax: 8 });
  const cursor = inbox.cursor();
  for (const text of ['one', 'two', 'six']) inbox.append(bytesOf(text));
  assert.is(readText(cursor), 'one\ntwo\nsix\n');
  assert.equal(cursor.lastPlace(), { offset: 12 });
  cursor.goTo({ offset: 4 }, false);
  assert.is(readUpTo(cursor, 4), 'two\n');
  assert.equal(cursor.lastPlace(), { offset: 4 });
  const bytes = Buffer.alloc(4);
  assert.ok(cursor.readAt({ offset: 0 }, bytes));
  assert.is(bytes.toString(), 'one\n');
  inbox.append(bytesOf('seven'));
  assert.not(cursor.readAt({ offset: 0 }, bytes));
});

test.run();
