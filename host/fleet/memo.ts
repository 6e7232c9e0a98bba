/**
 * What the agent of a fleet remembers in a file. A disk that takes nothing stops nobody: it is told, and what is remembered is written when
 * there is room. Whoever is killed before that tries once more what he had tried.
 */
import { existsSync, readFileSync } from 'node:fs';
import { replaceFile, sealed, unsealed } from '../durable.js';
import { oneLine } from '../errors.js';
import { seldom } from '../seldom.js';

export interface Memo {
  /** Something was added: writes it. */
  changed(): void;
  /** Writes what the disk has not taken. */
  flush(): void;
}

/** An object, as only that can be sealed: JSON of anything else would not be known again. */
type Remembered = { readonly [key: string]: unknown };

/** What was written; nothing where the file is gone or damaged. */
export function readMemo<T extends Remembered>(path: string): T | undefined {
  const text = existsSync(path) ? unsealed(readFileSync(path, 'utf8')) : undefined;
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

export function createMemo(path: string, value: () => Remembered, notice: (line: string) => void): Memo {
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
