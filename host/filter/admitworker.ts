/**
 * The thread in which a new version of a filter is admitted, so that events flow meanwhile: it takes some 20 ms. It ends with its
 * answer. `prepare.ts` starts it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { WeirError } from '../errors.js';
import { admit } from './admit.js';
import type { AdmitAnswer, AdmitRequest } from './prepare.js';

const { name, bytes } = workerData as AdmitRequest;

function answer(): AdmitAnswer {
  try {
    return { kind: 'admitted', module: admit(name, bytes) };
  } catch (error) {
    if (error instanceof WeirError) return { kind: 'refused', code: error.code, problem: error.problem };
    throw error;
  }
}

parentPort?.postMessage(answer());
