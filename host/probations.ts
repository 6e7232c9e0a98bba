/**
 * Who waits until a version has passed its probation, and is told how that ended. Whoever asks and hangs up waits on to the end,
 * so their number has a limit.
 */
import { WeirError } from './errors.js';
import { CONTROL_CONNECTIONS_MAX } from './limits.js';

export interface Probations {
  /** Waits for the end. Throws PROBATION_FAILED where it was not passed. */
  passed(instance: string, version: string): Promise<void>;
  /** It was passed, or there was a problem: another version runs now, or none. */
  end(instance: string, problem?: string): void;
  /** None of them ends any more. */
  endAll(problem: string): void;
}

interface Waiting {
  readonly instance: string;
  readonly tell: (problem: string | undefined) => void;
}

export function createProbations(): Probations {
  let waiting: readonly Waiting[] = [];
  return {
    async passed(instance, version) {
      if (waiting.length >= CONTROL_CONNECTIONS_MAX) {
        const problem = `expected up to ${CONTROL_CONNECTIONS_MAX} that wait for a probation, found one more`;
        throw new WeirError('USAGE', `filter ${instance}: ${problem}`);
      }
      const problem = await new Promise<string | undefined>((tell) => {
        waiting = [...waiting, { instance, tell }];
      });
      if (problem === undefined) return;
      const what = `expected ${version} to pass its probation, found otherwise: ${problem}`;
      throw new WeirError('PROBATION_FAILED', `filter ${instance}: ${what}`);
    },
    end(instance, problem) {
      for (const one of waiting) if (one.instance === instance) one.tell(problem);
      waiting = waiting.filter((one) => one.instance !== instance);
    },
    endAll(problem) {
      for (const one of waiting) one.tell(problem);
      waiting = [];
    },
  };
}
