/**
 * The thread in which new versions are judged: started before there is one, and nothing is left of it.
 */
import { once } from 'node:events';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../../host/errors.js';
import { type Admission, createAdmission } from '../../host/filter/prepare.js';
import { assemble } from './hostile.js';

const GOOD = assemble({});
const BAD = assemble({ start: '' });

interface Context {
  admission: Admission;
  /** Threads that were started; Node tells of each a little later. */
  threads: Worker[];
  started: (thread: Worker) => void;
}

const admissions = suite<Context>('the thread of an admission');
admissions.before.each((context) => {
  context.admission = createAdmission();
  context.threads = [];
  context.started = (thread) => context.threads.push(thread);
  process.on('worker', context.started);
});
admissions.after.each(({ admission, started }) => {
  process.off('worker', started);
  admission.end();
});

/** What it is refused with. */
const refusal = (answer: Promise<unknown>) =>
  answer.then(
    () => 'admitted',
    (error: unknown) => (error instanceof WeirError ? error.code : String(error)),
  );

admissions('judges one module after the other', async ({ admission, threads }) => {
  admission.begin();
  assert.instance(await admission.admit('good', GOOD), WebAssembly.Module);
  assert.is(await refusal(admission.admit('bad', BAD)), 'MODULE_REFUSED');
  assert.instance(await admission.admit('good', GOOD), WebAssembly.Module);
  assert.is(threads.length, 1);
});

admissions(
  'of several at once each has its own answer, and none is cut off',
  async ({ admission, threads }) => {
    const answers = [GOOD, BAD, GOOD, BAD].map((bytes) => refusal(admission.admit('one', bytes)));
    await breathe();
    admission.end();
    assert.equal(await Promise.all(answers), ['admitted', 'MODULE_REFUSED', 'admitted', 'MODULE_REFUSED']);
    assert.is(threads.length, 1);
  },
);

admissions('ends, and begins anew when there is another one', async ({ admission, threads }) => {
  admission.begin();
  await breathe();
  const ended = once(threads[0] as Worker, 'exit');
  admission.end();
  await ended;
  assert.instance(await admission.admit('good', GOOD), WebAssembly.Module);
  assert.is(threads.length, 2);
});

admissions('what ends it while there is nothing to judge harms nobody', async ({ admission, threads }) => {
  admission.begin();
  await breathe();
  const [thread] = threads as [Worker];
  // As when the thread cannot be given its memory.
  thread.emit('error', new Error('no memory'));
  const ended = once(thread, 'exit');
  await thread.terminate();
  await ended;
  assert.instance(await admission.admit('good', GOOD), WebAssembly.Module);
  assert.is(threads.length, 2);
});

admissions('a module whose judgement fails is refused, and the next is judged', async (context) => {
  const { admission, threads } = context;
  admission.begin();
  await breathe();
  const answer = admission.admit('good', GOOD);
  // It is sent behind what is before it, which is nothing.
  await Promise.resolve();
  (threads[0] as Worker).emit('error', new Error('no memory'));
  assert.is(await refusal(answer), 'MODULE_REFUSED');
  assert.instance(await admission.admit('good', GOOD), WebAssembly.Module);
  assert.is(threads.length, 2);
});

admissions.run();
