/**
 * The prefilter: a search of the whole batch for literals, so that only lines that hold one of them are ever looked
 * at. Newlines on the way are counted in the same pass, so that every line is accounted for.
 *
 * Up to 8 literals are searched as fewliterals.ts does, more, up to 1,024, as patterns.ts does; `prepare` chooses.
 */

import { FewLiterals, LITERALS_MAX } from './fewliterals';
import { PATTERNS_MAX, Patterns } from './patterns';
import { Text } from './text';

export class Prefilter {
  literals: u32 = 0;
  /** Newlines that the last `next` passed over. */
  newlines: u32 = 0;
  private texts: Text[] = [];
  private few: FewLiterals | null = null;
  private patterns: Patterns | null = null;

  add(literal: Text): void {
    if (literal.length < 2 || this.literals >= PATTERNS_MAX) {
      abort('a prefilter takes up to 1024 literals of 2 bytes or more');
    }
    this.texts.push(literal);
    this.literals++;
  }

  /** Ends the adding: call it when the filter has started. */
  prepare(): void {
    const texts = StaticArray.fromArray(this.texts);
    if (this.literals > LITERALS_MAX) this.patterns = new Patterns(texts);
    else this.few = new FewLiterals(texts);
  }

  /** A place in the first literal in [from, end), or `end`; `newlines` counts those before it. */
  next(from: usize, end: usize): usize {
    const few = this.few;
    if (few) {
      const found = few.next(from, end);
      this.newlines = few.newlines;
      return found;
    }
    const patterns = this.patterns!;
    const found = patterns.next(from, end);
    this.newlines = patterns.newlines;
    return found;
  }
}
