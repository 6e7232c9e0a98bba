/**
 * The thread in which new versions of filters are admitted, so that events flow meanwhile: the first takes some 20 ms. It answers one
 * request after the other until `prepare.ts`, which has started it, ends it.
 */
import { parentPort } from 'node:worker_threads';
import { WeirError } from '../errors.js';
import { admit } from './admit.js';
import type { AdmitAnswer, AdmitRequest } from './prepare.js';

function answerTo({ name, bytes }: AdmitRequest): AdmitAnswer {
  try {
    return { kind: 'admitted', module: admit(name, bytes) };
  } catch (error) {
    if (error instanceof WeirError) return { kind: 'refused', code: error.code, problem: error.problem };
    throw error;
  }
}

parentPort?.on('message', (request: AdmitRequest) => parentPort?.postMessage(answerTo(request)));
