/**
 * Standard input: every line, at the reader's pace, and an end.
 */
import { spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createStdinSource } from '../../host/source/stdin.js';
import { until } from '../help.js';
import { noticesOf, readText, readUntil } from './reading.js';

test('at the end of input an unterminated last line is an event, and the source ends', async () => {
  const input = new PassThrough();
  const source = createStdinSource('in', { input });
  const cursor = source.cursor();
  await source.open();
  input.write('one\r\n\n');
  input.end('tw\0o');
  const text = await readUntil(cursor, cursor.ended, 'the end');
  assert.is(text, 'one\ntw\0o\n');
  await source.close();
});

test('it waits instead of dropping: a slow reader gets every line', async () => {
  const input = new PassThrough();
  const source = createStdinSource('in', { input, inbox: { capacityBytes: 1000, eventBytesMax: 100 } });
  const cursor = source.cursor();
  await source.open();
  const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at}\n`).join('');
  input.end(lines);
  let text = '';
  const target = Buffer.alloc(700);
  const ended = () => {
    for (let turn = 0; turn < 100; turn += 1) {
      const { bytes } = cursor.read(target);
      text += target.toString('latin1', 0, bytes);
      cursor.advance(bytes);
    }
    return cursor.ended();
  };
  await until(ended, 20_000, 'the end');
  assert.ok(text === lines);
  assert.is(cursor.lostEvents(), 0);
  await source.close();
});

test('a 10 MB line is cut and counted, and the next line is intact', async () => {
  const input = new PassThrough();
  const source = createStdinSource('in', { input });
  const cursor = source.cursor();
  await source.open();
  input.write(Buffer.alloc(10_000_000, 'x'));
  input.end('\nnext\n');
  const text = await readUntil(cursor, cursor.ended, 'the end');
  assert.ok(text === `${'x'.repeat(65_536)}\nnext\n`);
  assert.is(source.truncatedEvents(), 1);
  await source.close();
});

test('closing keeps what has arrived; input that breaks is told and ends the source', async () => {
  const input = new PassThrough();
  const source = createStdinSource('in', { input });
  const notices = noticesOf(source);
  const cursor = source.cursor();
  await source.open();
  input.write('one\ntwo');
  input.destroy(new Error('gone'));
  await until(() => notices.length > 0, 5000, 'the notice');
  await source.close();
  assert.is(readText(cursor), 'one\ntwo\n');
  assert.ok(cursor.ended());
  assert.equal(notices, ['source in: reading broke off (gone)']);
});

test('without another input it reads the standard input of its process, which then ends by itself', async () => {
  const module = new URL('../../host/source/stdin.js', import.meta.url).href;
  const code = `
    const { createStdinSource } = await import(${JSON.stringify(module)});
    const source = createStdinSource('in');
    const cursor = source.cursor();
    source.onData(() => {
      const target = Buffer.alloc(99);
      const { bytes } = cursor.read(target);
      process.stdout.write(target.subarray(0, bytes));
      cursor.advance(bytes);
    });
    await source.open();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (bytes) => {
    output += bytes;
  });
  child.stdin.end('one\ntwo');
  const code0 = await new Promise((resolve) => child.on('close', resolve));
  assert.equal([code0, output], [0, 'one\ntwo\n']);
});

test.run();
