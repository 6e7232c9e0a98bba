/**
 * A feed takes from its stream only what finds room, and leaves nothing behind that has arrived.
 */
import { PassThrough, Readable } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createFeed } from '../../host/source/feed.js';
import { createInbox } from '../../host/source/inbox.js';
import { createLineSplitter } from '../../host/source/splitter.js';
import { until } from '../help.js';
import { readText } from './reading.js';

function setUp(stream: Readable, capacityBytes: number) {
  const inbox = createInbox({ capacityBytes, eventBytesMax: 10 });
  const said: string[] = [];
  const feed = createFeed({
    stream,
    inbox,
    createParser: createLineSplitter,
    onEnd: () => said.push('end'),
    onError: (error) => said.push(error.message),
  });
  return { feed, cursor: inbox.cursor(), said };
}

test('the last line waits for room as well, and the end comes after it', async () => {
  const stream = new PassThrough();
  const { feed, cursor, said } = setUp(stream, 12);
  stream.end('one\ntwo\nunended');
  await until(() => feed.isWaiting(), 5000, 'waiting');
  const texts: string[] = [];
  while (said.length === 0) {
    texts.push(readText(cursor));
    await new Promise(setImmediate);
  }
  assert.is(texts.join('') + readText(cursor), 'one\ntwo\nunended\n');
  assert.is(cursor.lostEvents(), 0);
  assert.equal(said, ['end']);
});

test('finishing takes what has arrived, room or not, and what then does not fit is counted', async () => {
  const stream = new PassThrough();
  const { feed, cursor, said } = setUp(stream, 12);
  stream.write('one\ntwo\nthree\n');
  await until(() => feed.isWaiting(), 5000, 'waiting');
  stream.write('four\nfi');
  feed.finish();
  feed.finish();
  assert.is(readText(cursor), 'four\nfi\n');
  assert.is(cursor.lostEvents(), 3);
  assert.equal(said, ['end']);
  stream.destroy();
});

test('what arrived before a stream broke is kept', async () => {
  const stream = new PassThrough();
  const { cursor, said } = setUp(stream, 100);
  stream.write('one\ntw');
  await until(() => readText(cursor) === 'one\n', 5000, 'the first line');
  stream.destroy(new Error('broken'));
  await until(() => said.includes('end'), 5000, 'the end');
  assert.equal(said, ['broken', 'end']);
  assert.is(readText(cursor), 'tw\n');
});

test('an endless stream that never makes anyone wait is read only as far as there is room', async () => {
  const stream = new Readable({
    read() {
      this.push('123456789\n');
    },
  });
  const { feed, cursor } = setUp(stream, 100);
  await until(() => feed.isWaiting(), 5000, 'waiting');
  assert.is(cursor.lostEvents(), 0);
  feed.finish();
  stream.destroy();
});

test.run();
