/**
 * The prefilter: a search of the whole batch for literals, so that only lines that hold one of them are ever looked
 * at. Newlines on the way are counted in the same pass, so that every line is accounted for.
 *
 * Up to 8 literals are searched as fewliterals.ts does, more, up to 1,024, as patterns.ts does. A filter that selects
 * nothing carries neither of them: lines.ts knows only the functions that are named to it here.
 */
import { FewLiterals, LITERALS_MAX } from './fewliterals';
import { settleDiscarded } from './ledger';
import { searchWith } from './lines';
import { PATTERNS_MAX, Patterns } from './patterns';
import { literal, Text } from './text';

const needles: Text[] = [];
let few: FewLiterals | null = null;
let patterns: Patterns | null = null;

/** Lets only lines through that hold one of the literals (up to 1,024); the others are counted as discarded. */
export function select(literals: string[]): void {
  for (let i = 0; i < literals.length; i++) selectText(literal(unchecked(literals[i])));
}

/** `select` for a literal that is known only once the config is read. */
export function selectText(needle: Text): void {
  if (needle.length < 2 || <u32>needles.length >= PATTERNS_MAX) {
    abort('a prefilter takes up to 1024 literals of 2 bytes or more');
  }
  needles.push(needle);
  searchWith(prepare, next);
}

/** Once the filter has started. */
function prepare(): void {
  const texts = StaticArray.fromArray(needles);
  if (<u32>texts.length > LITERALS_MAX) patterns = new Patterns(texts);
  else few = new FewLiterals(texts);
}

/** A place in the first literal in [from, end), or `end`; the lines before it are counted as discarded. */
function next(from: usize, end: usize): usize {
  const some = few;
  const many = patterns;
  const found = some ? some.next(from, end) : many!.next(from, end);
  settleDiscarded(some ? some.newlines : many!.newlines);
  return found;
}
