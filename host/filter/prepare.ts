/**
 * Makes a new version ready beside a host that works: judged, metered and compiled in a thread of its own, and its memory given
 * pages by the kernel before it is needed at once.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, oneLine, WeirError } from '../errors.js';
import { ADMIT_MS_MAX, ADMIT_WORKER_MEBIBYTES } from '../limits.js';
import type { FilterInstance } from './instance.js';

/** A page of the kernel, not of WebAssembly. */
const PAGE_BYTES = 4096;

export interface AdmitRequest {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export type AdmitAnswer =
  | { readonly kind: 'admitted'; readonly module: WebAssembly.Module }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly problem: string };

/** Judges new versions in a thread, one after the other. */
export interface Admission {
  /** Starts the thread, where a module is about to come: that takes longer than to judge it. */
  begin(): void;
  /** As `admit`, in the thread. Throws MODULE_REFUSED, also where it takes too long or too much memory. */
  admit(name: string, bytes: Uint8Array): Promise<WebAssembly.Module>;
  /** Ends the thread, so that nothing is left of it while there is nothing to judge. Whoever still waits for it does that later. */
  end(): void;
}

export function createAdmission(): Admission {
  let thread: Worker | undefined;
  let waiting = 0;
  /** An answer does not say what it is of. */
  let last: Promise<unknown> = Promise.resolve();

  function begin(): Worker {
    thread ??= startThread((ended) => {
      if (thread === ended) thread = undefined;
    });
    return thread;
  }

  function kill(): void {
    void thread?.terminate();
    thread = undefined;
  }

  async function judge(request: AdmitRequest): Promise<WebAssembly.Module> {
    const judging = begin();
    let answer: AdmitAnswer;
    try {
      const answered = once(judging, 'message', { signal: AbortSignal.timeout(ADMIT_MS_MAX) });
      judging.postMessage(request);
      [answer] = (await answered) as [AdmitAnswer];
    } catch (error) {
      // It may be in the middle of that module still.
      kill();
      throw new WeirError('MODULE_REFUSED', `filter ${request.name}: could not be judged: ${oneLine(error)}`);
    }
    if (answer.kind === 'admitted') return answer.module;
    throw new WeirError(answer.code, answer.problem);
  }

  return {
    begin,
    admit(name, bytes) {
      waiting++;
      const judged = last.then(() => judge({ name, bytes })).finally(() => waiting--);
      last = judged.catch(() => {});
      return judged;
    },
    end() {
      if (waiting === 0) kill();
    },
  };
}

function startThread(ended: (thread: Worker) => void): Worker {
  const thread = new Worker(new URL('./admitworker.js', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: ADMIT_WORKER_MEBIBYTES },
  });
  // Who waits for its answer hears of it; where nobody does, it must not end the host.
  thread.on('error', () => {});
  thread.once('exit', () => ended(thread));
  return thread;
}

/** The same for one module, in a thread of its own. */
export async function admitBeside(name: string, bytes: Uint8Array): Promise<WebAssembly.Module> {
  const admission = createAdmission();
  try {
    return await admission.admit(name, bytes);
  } finally {
    admission.end();
  }
}

/** What one step of `warm` touches: some 0.2 ms. */
const STEP_BYTES = 16 * PAGE_BYTES;

/**
 * Writes to each page of a filter's memory what stands there. A page that is touched first costs some microseconds, which for
 * a memory of megabytes would be most of the pause of a swap. Each `next` is a step.
 */
export function* warm({ input }: FilterInstance): Generator<void> {
  const memory = new Uint8Array(input.buffer);
  for (let step = 0; step < memory.length; step += STEP_BYTES) {
    const end = Math.min(step + STEP_BYTES, memory.length);
    for (let at = step; at < end; at += PAGE_BYTES) memory[at] = memory[at] as number;
    yield;
  }
}
