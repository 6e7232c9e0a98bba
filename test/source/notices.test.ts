/**
 * What a source tells a person: safe on a terminal, and no flood.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createNotices } from '../../host/source/notices.js';

function collect() {
  const notices = createNotices('s');
  const lines: string[] = [];
  notices.onNotice((line) => lines.push(line));
  return { notices, lines };
}

test('what a peer sends cannot steer a terminal or make a second line', () => {
  const { notices, lines } = collect();
  notices.say('a\nb\r\x1b[2Jc\u009bd\u202ee\u2028f é 日本');
  assert.equal(lines, ['source s: a?b??[2Jc?d?e?f é 日本']);
});

test('what comes thick and fast is told once, each kind by itself', () => {
  const { notices, lines } = collect();
  const [one, other] = [notices.limited(), notices.limited()];
  for (let count = 0; count < 1000; count += 1) one('flood');
  other('rare');
  assert.equal(lines, ['source s: flood', 'source s: rare']);
});

test('the next one says how many were left out', () => {
  const { notices, lines } = collect();
  const say = notices.limited();
  const now = performance.now;
  let nowMs = 0;
  performance.now = () => nowMs;
  try {
    for (nowMs of [0, 1, 999, 1000, 1001, 2000, 3000]) say(`at ${nowMs}`);
  } finally {
    performance.now = now;
  }
  assert.equal(lines, [
    'source s: at 0',
    'source s: at 1000 (2 more before this one)',
    'source s: at 2000 (1 more before this one)',
    'source s: at 3000',
  ]);
});

test.run();
