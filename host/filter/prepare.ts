/**
 * Brings a module from bytes to what can be started, beside a host that works: judged, metered and compiled in a thread of its own.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, oneLine, WeirError } from '../errors.js';
import { ADMIT_MS_MAX, ADMIT_WORKER_MEBIBYTES } from '../limits.js';

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
