/**
 * Conditions on the JSON fields of an event, from the config:
 *
 *     "where": [ { "field": "program", "equals": "charon" }, { "field": "action", "in": ["up", "down"] } ]
 *
 * A clause has `field` and one of `equals`, `in` (strings, numbers, booleans, null) and `contains`,
 * `starts_with` (strings); all clauses must hold. Values are compared as JSON has them: a string never equals a
 * number, and a number equals the same digits. A missing field holds for nothing.
 *
 * The clause with the longest literals also becomes the prefilter, one of up to 7 values before one of more: a line
 * without any of them cannot match. A JSON string may say the same with `\u` escapes, so lines that hold `\u` are looked
 * at as well (of values in ASCII `\u00`: with the longer literal more bytes are passed over at a time); a clause with a value that a writer might escape in another way, or of less than 2 bytes, makes no
 * prefilter. Of a value longer than a literal may be, the first bytes are searched.
 */
import { allocate } from './arena';
import { Config } from './config';
import { LITERALS_MAX } from './fewliterals';
import { Json } from './json';
import { ARRAY, Field, MISSING, OBJECT, STRING } from './jsonvalue';
import { PATTERN_BYTES_MAX } from './patterns';
import { selectText } from './prefilter';
import { literal, Text } from './text';

export const CLAUSES_MAX: i32 = 16;
export const VALUES_MAX: i32 = 64;

const EQUALS: i32 = 0;
const CONTAINS: i32 = 1;
const STARTS_WITH: i32 = 2;
const QUOTE: u8 = 0x22;

class Clause {
  field: Field;
  operator: i32 = EQUALS;
  kinds: StaticArray<i32>;
  values: StaticArray<Text>;

  constructor(json: Json, clause: Config) {
    clause.only(['field', 'equals', 'in', 'contains', 'starts_with']);
    this.field = json.field(clause.get('field').text());
    let operand = clause.get('equals');
    let operators = i32(!operand.isAbsent());
    operators += i32(clause.has('in')) + i32(clause.has('contains')) + i32(clause.has('starts_with'));
    if (operators !== 1) clause.refuse('one of equals, in, contains, starts_with');
    if (clause.has('in')) operand = clause.get('in');
    if (clause.has('contains')) {
      this.operator = CONTAINS;
      operand = clause.get('contains');
    } else if (clause.has('starts_with')) {
      this.operator = STARTS_WITH;
      operand = clause.get('starts_with');
    }
    const isList = clause.has('in');
    const size = isList ? operand.size() : 1;
    if (size < 1 || size > VALUES_MAX) operand.refuse('1 to 64 values');
    this.kinds = new StaticArray<i32>(size);
    this.values = new StaticArray<Text>(size);
    for (let i = 0; i < size; i++) this.setValue(i, isList ? operand.item(i) : operand);
  }

  private setValue(index: i32, value: Config): void {
    const isScalar = value.kind !== OBJECT && value.kind !== ARRAY && value.kind !== MISSING;
    if (this.operator === EQUALS ? !isScalar : value.kind !== STRING) {
      value.refuse(this.operator === EQUALS ? 'a string, number, true, false or null' : 'a string');
    }
    unchecked((this.kinds[index] = value.kind));
    unchecked((this.values[index] = value.kind === STRING ? value.text() : value.json()));
  }

  holds(): bool {
    const kind = this.field.kind;
    if (kind === MISSING) return false;
    const text = this.field.text();
    for (let i = 0; i < this.values.length; i++) {
      if (unchecked(this.kinds[i]) === kind && this.compare(text, unchecked(this.values[i]))) return true;
    }
    return false;
  }

  private compare(text: Text, value: Text): bool {
    if (this.operator === EQUALS) return text.equals(value);
    return this.operator === CONTAINS ? text.contains(value) : text.startsWith(value);
  }

  /**
   * How well the clause's values do for a prefilter: the length of the shortest, and more where they are so few that
   * they are searched one by one; 0 when there is no set of literals of which a matching line must hold one.
   */
  worth(): usize {
    let shortest = usize.MAX_VALUE;
    for (let i = 0; i < this.values.length; i++) {
      const value = unchecked(this.values[i]);
      if (unchecked(this.kinds[i]) !== STRING || value.length < 2 || mayBeEscaped(value)) return 0;
      shortest = min(shortest, value.length);
    }
    const isFew = <u32>this.values.length < LITERALS_MAX;
    return min(shortest, PATTERN_BYTES_MAX) + (isFew ? PATTERN_BYTES_MAX : 0);
  }

  select(): void {
    let isAscii = true;
    for (let i = 0; i < this.values.length; i++) {
      const value = unchecked(this.values[i]);
      for (let at = value.start; at < value.end; at++) isAscii = isAscii && load<u8>(at) < 0x80;
      // The quotes around a whole value, and before the start of one, make the literal rarer.
      const start = allocate(value.length + 2);
      store<u8>(start, QUOTE);
      memory.copy(start + 1, value.start, value.length);
      store<u8>(start + 1 + value.length, QUOTE);
      const from = this.operator === CONTAINS ? start + 1 : start;
      const end = start + 1 + value.length + usize(this.operator === EQUALS);
      selectText(new Text().set(from, min(end, from + PATTERN_BYTES_MAX)));
    }
    selectText(literal(isAscii ? '\\u00' : '\\u'));
  }
}

export class Where {
  private clauses: StaticArray<Clause>;

  /** Reads the clauses; a missing list holds for every event. */
  constructor(json: Json, list: Config) {
    const size = list.size();
    if (size > CLAUSES_MAX) list.refuse('up to 16 clauses');
    this.clauses = new StaticArray<Clause>(size);
    let rarest: i32 = -1;
    for (let i = 0; i < size; i++) {
      const clause = new Clause(json, list.item(i));
      unchecked((this.clauses[i] = clause));
      if (clause.worth() > (rarest < 0 ? 0 : unchecked(this.clauses[rarest]).worth())) rarest = i;
    }
    if (rarest >= 0) unchecked(this.clauses[rarest]).select();
  }

  /** True when every clause holds for the line that the Json has parsed last. */
  holds(): bool {
    for (let i = 0; i < this.clauses.length; i++) if (!unchecked(this.clauses[i]).holds()) return false;
    return true;
  }
}

/** Bytes that a JSON writer must or may write as a two-character escape: quotes, `\`, `/`, control characters. */
function mayBeEscaped(value: Text): bool {
  for (let at = value.start; at < value.end; at++) {
    const byte = load<u8>(at);
    if (byte === QUOTE || byte === 0x5c || byte === 0x2f || byte < 0x20) return true;
  }
  return false;
}
