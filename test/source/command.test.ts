/**
 * A child's lines: all of them, whatever the child does, and no child left behind.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WeirError } from '../../host/errors.js';
import { createCommandSource } from '../../host/source/command.js';
import { until } from '../help.js';
import { noticesOf, readText, readUntil } from './reading.js';

const NEVER_AGAIN = { backoffMsMin: 1_000_000, backoffMsMax: 1_000_000 };
const AT_ONCE = { backoffMsMin: 10, backoffMsMax: 40 };

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('arguments reach the program as they are: there is no shell', async () => {
  const source = createCommandSource('c', ['printf', '%s\\n', '$HOME; echo forged', '`id`'], {
    times: NEVER_AGAIN,
  });
  const cursor = source.cursor();
  const notices = noticesOf(source);
  await source.open();
  await until(() => notices.length > 0, 5000, 'the end of the child');
  await source.close();
  assert.is(readText(cursor), '$HOME; echo forged\n`id`\n');
  assert.match(notices.join(), /^source c: printf ended with code 0; starts again in \d+ ms$/);
});

test('a child with nothing on its standard input, and an unterminated last line', async () => {
  const source = createCommandSource('c', ['sh', '-c', 'cat; printf last'], { times: NEVER_AGAIN });
  const cursor = source.cursor();
  await source.open();
  const text = await readUntil(cursor, (read) => read !== '', 'the line');
  assert.is(text, 'last\n');
  await source.close();
});

test('it is started again and again, after delays that double up to the limit, with jitter', async () => {
  const source = createCommandSource('c', ['sh', '-c', 'echo run; exit 3'], { times: AT_ONCE });
  const cursor = source.cursor();
  const notices = noticesOf(source);
  await source.open();
  await until(() => notices.length >= 5, 10_000, 'five runs');
  await source.close();
  assert.match(readText(cursor), /^(run\n){5,}$/);
  const delaysMs = notices.map((line) =>
    Number(/ended with code 3; starts again in (\d+) ms$/.exec(line)?.[1]),
  );
  [10, 20, 40, 40].forEach((ceilingMs, at) => {
    const delayMs = delaysMs[at] as number;
    assert.ok(delayMs >= ceilingMs / 2 && delayMs <= ceilingMs, `${delaysMs}`);
  });
});

test('a healthy run resets the delay', async () => {
  const source = createCommandSource('c', ['true'], { times: { ...AT_ONCE, healthyMs: 0 } });
  const notices = noticesOf(source);
  await source.open();
  await until(() => notices.length >= 4, 10_000, 'four runs');
  await source.close();
  for (const line of notices) assert.ok(Number(/in (\d+) ms$/.exec(line)?.[1]) <= 10, line);
});

test('a program that is missing is told of and tried again', async () => {
  const source = createCommandSource('c', ['weir-no-such-program'], { times: AT_ONCE });
  const notices = noticesOf(source);
  await source.open();
  await until(() => notices.length >= 3, 5000, 'three tries');
  await source.close();
  assert.match(
    notices[0] as string,
    /^source c: weir-no-such-program cannot be started \(ENOENT\); starts again in \d+ ms$/,
  );
});

test('what Node refuses to start is told of like a missing program', async () => {
  const source = createCommandSource('c', ['echo', 'a\0b'], { times: NEVER_AGAIN });
  const notices = noticesOf(source);
  await source.open();
  await until(() => notices.length > 0, 5000, 'the notice');
  await source.close();
  assert.match(notices[0] as string, /echo cannot be started \(.*null bytes/);
});

test('no program at all is refused', async () => {
  for (const argv of [[], ['']]) {
    try {
      await createCommandSource('c', argv).open();
      assert.unreachable();
    } catch (error) {
      assert.is((error as WeirError).code, 'SOURCE_INVALID');
    }
  }
});

test('a full inbox holds the child up and loses nothing, even after the child has ended', async () => {
  const inbox = { capacityBytes: 1000, eventBytesMax: 100 };
  const source = createCommandSource('c', ['seq', '20000'], { inbox, times: NEVER_AGAIN });
  const cursor = source.cursor();
  await source.open();
  const text = await readUntil(cursor, (read) => read.endsWith('\n20000\n'), 'the last line');
  assert.ok(text === Array.from({ length: 20_000 }, (_, at) => `${at + 1}\n`).join(''));
  assert.is(cursor.lostEvents(), 0);
  await source.close();
});

test('standard error is told in few short lines and never holds the child up', async () => {
  const noisy = 'i=0; while [ $i -lt 5000 ]; do printf "%0400d\\n" $i >&2; i=$((i+1)); done; echo done';
  const source = createCommandSource('c', ['sh', '-c', noisy], { times: NEVER_AGAIN });
  const cursor = source.cursor();
  const notices = noticesOf(source);
  const startedMs = performance.now();
  await source.open();
  await until(() => readText(cursor) === 'done\n', 20_000, 'the end of the noise');
  await source.close();
  const fromChild = notices.filter((line) => line.startsWith('source c: sh: '));
  assert.is(fromChild[0], `source c: sh: ${'0'.repeat(200)}`);
  assert.ok(fromChild.length <= 2 + (performance.now() - startedMs) / 1000, `${fromChild.length} notices`);
});

test('closing ends the child and its children, and what has arrived is kept', async () => {
  const source = createCommandSource('c', ['sh', '-c', 'sleep 600 & echo $$; echo $!; wait']);
  const cursor = source.cursor();
  const notices = noticesOf(source);
  await source.open();
  const text = await readUntil(cursor, (read) => /^\d+\n\d+\n$/.test(read), 'both process numbers');
  await source.close();
  const [child, grandchild] = text.split('\n').map(Number) as [number, number];
  assert.not(isAlive(child));
  await until(() => !isAlive(grandchild), 5000, 'the end of the grandchild');
  assert.ok(cursor.ended());
  assert.equal(notices, []);
});

test('a child that ignores SIGTERM is killed', async () => {
  const stubborn = 'trap "" TERM; echo $$; while :; do sleep 0.05; done';
  const source = createCommandSource('c', ['sh', '-c', stubborn], { times: { stopMs: 100 } });
  const cursor = source.cursor();
  await source.open();
  const text = await readUntil(cursor, (read) => read.endsWith('\n'), 'the process number');
  await source.close();
  assert.not(isAlive(Number(text)));
});

test('closing between two runs, or before the first, leaves nothing behind', async () => {
  const resting = createCommandSource('c', ['true'], { times: NEVER_AGAIN });
  const notices = noticesOf(resting);
  await resting.open();
  await until(() => notices.length > 0, 5000, 'the end of the child');
  await resting.close();
  await createCommandSource('c', ['true']).close();
  const failing = createCommandSource('c', ['weir-no-such-program'], {
    times: { backoffMsMin: 1, backoffMsMax: 1 },
  });
  const failures = noticesOf(failing);
  await failing.open();
  await failing.close();
  await new Promise(setImmediate);
  assert.equal(failures, []);
});

test.run();
