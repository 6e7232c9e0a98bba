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

/** As `admit`, in another thread. Throws MODULE_REFUSED, also where the thread takes too long or too much memory. */
export async function admitBeside(name: string, bytes: Uint8Array): Promise<WebAssembly.Module> {
  const request: AdmitRequest = { name, bytes };
  const worker = new Worker(new URL('./admitworker.js', import.meta.url), {
    workerData: request,
    resourceLimits: { maxOldGenerationSizeMb: ADMIT_WORKER_MEBIBYTES },
  });
  try {
    const signal = AbortSignal.timeout(ADMIT_MS_MAX);
    const [answer] = (await once(worker, 'message', { signal })) as [AdmitAnswer];
    if (answer.kind === 'admitted') return answer.module;
    throw new WeirError(answer.code, answer.problem);
  } catch (error) {
    if (error instanceof WeirError) throw error;
    throw new WeirError('MODULE_REFUSED', `filter ${name}: could not be judged: ${oneLine(error)}`);
  } finally {
    await worker.terminate();
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
