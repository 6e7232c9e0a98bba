/**
 * What the agent of a fleet remembers in a file. A disk that takes nothing stops nobody: it is told, and what is remembered is written when
 * there is room. Whoever is killed before that tries once more what he had tried.
 */
import { replaceFile, sealed } from '../durable.js';
import { oneLine } from '../errors.js';
import { seldom } from '../seldom.js';

export interface Memo {
  /** Something was added: writes it. */
  changed(): void;
  /** Writes what the disk has not taken. */
  flush(): void;
}

export function createMemo(path: string, value: () => unknown, notice: (line: string) => void): Memo {
  const tellTrouble = seldom(notice);
  let isWritten = true;

  function flush(): void {
    if (isWritten) return;
    try {
      replaceFile(path, sealed(JSON.stringify(value())), true);
      isWritten = true;
    } catch (error) {
      tellTrouble(
        `fleet: ${oneLine(error)}; it is remembered until the host ends, and written when there is room`,
      );
    }
  }

  return {
    changed() {
      isWritten = false;
      flush();
    },
    flush,
  };
}
