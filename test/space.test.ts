/**
 * The room that spools share: that there is none is told once in a while, whatever the reasons, and that there is some again.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createSpoolSpace } from '../host/spool/space.js';
import { temporaryFolder } from './help.js';

test('no room is told once for each reason, and room once', async () => {
  const { path, remove } = await temporaryFolder();
  const notices: string[] = [];
  const space = createSpoolSpace({
    dataFolder: path,
    bytesMax: 2 ** 20,
    freeBytes: 0,
    sync: 'none',
    notice: (line) => notices.push(line),
    onSafe() {},
  });
  const spool = space.open('f', 0);
  const entry = () => ({ kind: 'commit', payload: [Buffer.alloc(2 ** 18)] }) as const;
  while (!space.isFull()) assert.ok(space.append(spool, [entry()]));
  for (let look = 0; look < 100; look++) {
    space.isFull();
    space.tick();
  }
  assert.is(notices.length, 1);
  assert.match(
    notices[0] as string,
    /^spool: full, as limits\.spool of 1048576 bytes says; until there is room/,
  );
  spool.release(spool.last(), 0);
  assert.not(space.isFull());
  space.tick();
  space.tick();
  assert.equal(notices.slice(1), ['spool: there is room again']);
  await space.close();
  await remove();
});

test.run();
