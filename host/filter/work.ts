/**
 * What a slot is in the middle of, one step at a time: a call, and the recovery that follows where it fails.
 */
import type { Parts } from './calls.js';

export interface Work {
  isBusy(): boolean;
  isRecovering(): boolean;
  /** Begins with the first step of it. Only while there is nothing to do. */
  begin(steps: Parts): void;
  /** What is done from here on is a recovery. */
  recover(): void;
  /** What was emitted is unusable: once this is done, it is given up. */
  spoil(error: unknown): void;
  /** One step; true while there is more to do. */
  step(): boolean;
}

export interface WorkOptions {
  /** A recovery begins, and has ended. */
  readonly begun: () => void;
  readonly ended: () => void;
  /** It has ended well. */
  readonly recovered: () => void;
  /** The steps that follow when what was emitted is unusable; none when it does not matter any more. */
  readonly giveUp: (error: unknown) => Parts | undefined;
  /** There is nothing to go back to. */
  readonly failed: (error: unknown) => void;
}

export function createWork({ begun, ended, recovered, giveUp, failed }: WorkOptions): Work {
  let work: Parts | undefined;
  let isRecovering = false;
  let spoiled: unknown;

  function recover(): void {
    isRecovering = true;
    begun();
  }

  function end(): void {
    work = undefined;
    isRecovering = false;
    ended();
  }

  function spoil(error: unknown): void {
    if (work) {
      spoiled = error;
      return;
    }
    const steps = giveUp(error);
    if (!steps) return;
    recover();
    work = steps;
  }

  function step(): boolean {
    const wasRecovering = isRecovering;
    try {
      if (!work?.next().done) return work !== undefined;
      end();
      const error = spoiled;
      spoiled = undefined;
      if (error !== undefined) spoil(error);
      else if (wasRecovering) recovered();
    } catch (error) {
      // It does not start a second time, or there is no memory for it.
      end();
      failed(error);
    }
    return work !== undefined;
  }

  return {
    isBusy: () => work !== undefined,
    isRecovering: () => isRecovering,
    begin(steps) {
      work = steps;
      step();
    },
    recover,
    spoil,
    step,
  };
}
