/**
 * A filter's config: the JSON object under `config` of its entry in weir.json, read while the filter starts.
 *
 *     const windowMs = config().get('window').durationMs(60_000);
 *     for (let i = 0; i < clauses.size(); i++) clauses.item(i).get('field').text() ...
 *
 * Whatever does not fit stops the filter before its first event, with the path of the key, what was expected
 * and what was found. The host has already parsed the JSON, so it is well-formed.
 */
import { CONFIG_AT, regionBytes, regionStart } from './abi';
import { allocate } from './arena';
import { sketchHash } from './bytes';
import { decimal } from './decimal';
import { ARRAY, Field, MISSING, NULL, NUMBER, OBJECT, STRING, skipSpace, unescapeTo } from './jsonvalue';
import { NO_NUMBER, parseDecimal } from './number';
import { literal, Text } from './text';

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
/** The index of what is no element of a list. */
const NAMED: i32 = -1;

/** A value of the config, and where it stands: under a name, or as an element, of another value. */
export class Config {
  /** Elements, once they were counted; the element that was asked for last, and where it begins. */
  private items: i32 = -1;
  private itemIndex: i32 = 0;
  private itemAt: usize = 0;

  constructor(
    private parent: Config | null,
    private name: string,
    private index: i32,
    readonly kind: i32,
    private start: usize,
    private end: usize,
  ) {}

  /** For messages. It is made only when it is asked for, because what it takes stays taken. */
  get path(): string {
    const parent = this.parent;
    if (!parent) return this.name;
    return this.index < 0 ? parent.path + '.' + this.name : parent.path + '[' + decimal(this.index) + ']';
  }

  isMissing(): bool {
    return this.kind === MISSING || this.kind === NULL;
  }

  /** True when the key does not stand there at all; `null` stands there. */
  isAbsent(): bool {
    return this.kind === MISSING;
  }

  has(name: string): bool {
    return !this.get(name).isMissing();
  }

  /** The value of a key of this object; MISSING when there is none. */
  get(name: string): Config {
    const wanted = literal(name);
    const found = new Text();
    let at = this.inside;
    while (this.kind === OBJECT && at < this.end && load<u8>(at) === QUOTE) {
      found.set(at + 1, stringEnd(at, this.end) - 1);
      const value = behind(at, this.end);
      if (found.equals(wanted)) return made(this, name, NAMED, value, valueEnd(value, this.end));
      at = behind(value, this.end);
    }
    return new Config(this, name, NAMED, MISSING, 0, 0);
  }

  /** Refuses keys that are not in the list. */
  only(names: string[]): Config {
    this.expect(OBJECT, 'an object');
    let at = this.inside;
    while (at < this.end && load<u8>(at) === QUOTE) {
      const name = String.UTF8.decodeUnsafe(at + 1, stringEnd(at, this.end) - at - 2);
      if (!names.includes(name)) {
        abort(this.path + ': expected only ' + names.join(', ') + '; found "' + name + '"');
      }
      at = behind(behind(at, this.end), this.end);
    }
    return this;
  }

  /** Items of a list; 0 when it is missing. */
  size(): i32 {
    if (this.isMissing()) return 0;
    if (this.items >= 0) return this.items;
    this.expect(ARRAY, 'a list');
    let items = 0;
    for (let at = this.inside; at < this.end && load<u8>(at) !== 0x5d; items++) at = behind(at, this.end);
    this.items = items;
    return items;
  }

  item(index: i32): Config {
    // On from where the last one was: long lists are read in order.
    if (index < this.itemIndex || !this.itemAt) {
      this.itemIndex = 0;
      this.itemAt = this.inside;
    }
    for (; this.itemIndex < index; this.itemIndex++) this.itemAt = behind(this.itemAt, this.end);
    return made(this, '', index, this.itemAt, valueEnd(this.itemAt, this.end));
  }

  /** The bytes of a string, decoded; kept as long as the filter. */
  text(): Text {
    this.expect(STRING, 'a string');
    const raw = new Text().set(this.start + 1, this.end - 1);
    const out = new Text();
    unescapeTo(raw, allocate(raw.length + 4), raw.length + 4, out);
    return out;
  }

  /** The strings of a list of up to `most`; none when it is missing. */
  texts(most: i32): StaticArray<Text> {
    const size = this.size();
    if (size > most) this.refuse('up to ' + decimal(most) + ' strings');
    const texts = new StaticArray<Text>(size);
    for (let i = 0; i < size; i++) unchecked((texts[i] = this.item(i).text()));
    return texts;
  }

  /** A whole number from `least` to `most`; `otherwise` when it is missing. */
  int(otherwise: i64, least: i64, most: i64): i64 {
    if (this.isMissing()) return otherwise;
    const value = this.kind === NUMBER ? parseDecimal(this.json(), least, most) : NO_NUMBER;
    if (value === NO_NUMBER)
      this.refuse('a whole number from ' + least.toString() + ' to ' + most.toString());
    return value;
  }

  /** A number of this value: another value has another one, but for one in four billion. */
  digest(): u32 {
    return <u32>sketchHash(this.start, this.end - this.start);
  }

  /** The value as JSON text. */
  json(): Text {
    return new Text().set(this.start, this.end);
  }

  /** A duration: a number and one of ms, s, m, h, d, as in "60s"; `otherwise` when it is missing. */
  durationMs(otherwise: i64): i64 {
    if (this.isMissing()) return otherwise;
    this.expect(STRING, 'a duration such as "60s"');
    let amount: i64 = 0;
    let at = this.start + 1;
    for (; load<u8>(at) - 0x30 < 10 && amount < 1_000_000_000; at++)
      amount = amount * 10 + (load<u8>(at) - 0x30);
    const unit = unitMs(String.UTF8.decodeUnsafe(at, this.end - 1 - at));
    if (!amount || !unit || amount * unit > DURATION_MS_MAX) this.refuse('a duration up to "7d"');
    return amount * unit;
  }

  /** Stops the filter: this value is not what was expected. */
  refuse(expected: string): void {
    abort(this.path + ': expected ' + expected + ', found ' + this.shown());
  }

  /** The beginning of it, for messages; nothing of what holds a secret. */
  private shown(): string {
    if (this.kind === MISSING) return 'nothing';
    if (this.json().contains(literal('redact_key'))) return 'something with a "redact_key"';
    return String.UTF8.decodeUnsafe(this.start, min(this.end - this.start, 60));
  }

  /** The first name or element of an object or list, or what closes it. */
  private get inside(): usize {
    return skipSpace(this.start + 1, this.end);
  }

  private expect(kind: i32, expected: string): void {
    if (this.kind !== kind) this.refuse(expected);
  }
}

/** Longest duration of a config. */
const DURATION_MS_MAX: i64 = 7 * 24 * 3_600_000;

let isRead: bool = false;
/** The number or word that was looked at last. */
const scalar: Field = new Field();

/** The filter's config; an empty object when there is none. */
export function config(): Config {
  isRead = true;
  const start = regionStart(CONFIG_AT);
  return made(null, 'config', NAMED, start, start + regionBytes(CONFIG_AT));
}

/** Refuses what a filter without settings was given: no key silently does nothing. */
export function refuseUnread(): void {
  if (isRead) return;
  const end = regionStart(CONFIG_AT) + regionBytes(CONFIG_AT);
  const name = skipSpace(regionStart(CONFIG_AT) + 1, end);
  if (name >= end || load<u8>(name) !== QUOTE) return;
  abort('config: expected no keys; found ' + String.UTF8.decodeUnsafe(name, stringEnd(name, end) - name));
}

function unitMs(unit: string): i64 {
  if (unit === 'ms') return 1;
  if (unit === 's') return 1_000;
  if (unit === 'm') return 60_000;
  if (unit === 'h') return 3_600_000;
  return unit === 'd' ? 86_400_000 : 0;
}

function made(parent: Config | null, name: string, index: i32, start: usize, end: usize): Config {
  const byte = start < end ? load<u8>(start) : 0;
  let kind = ARRAY;
  if (byte === QUOTE) kind = STRING;
  else if (byte === 0x7b) kind = OBJECT;
  else if (byte !== 0x5b) {
    scalar.setScalar(start, end);
    kind = scalar.kind;
  }
  return new Config(parent, name, index, kind, start, end);
}

/** Address behind the name or value at `start` and the colon or comma that follows. */
function behind(start: usize, end: usize): usize {
  return skipSpace(skipSpace(valueEnd(start, end), end) + 1, end);
}

/** Address behind the value at `start`. */
function valueEnd(start: usize, end: usize): usize {
  if (load<u8>(start) === QUOTE) return stringEnd(start, end);
  let depth = 0;
  for (let at = start; at < end; at++) {
    const byte = load<u8>(at);
    if (byte === QUOTE) at = stringEnd(at, end) - 1;
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) return at + 1;
    if (depth === 0 && byte !== QUOTE) break;
  }
  scalar.setScalar(start, end);
  return scalar.raw.end;
}

function stringEnd(start: usize, end: usize): usize {
  let at = start + 1;
  while (at < end && load<u8>(at) !== QUOTE) at += load<u8>(at) === BACKSLASH ? 2 : 1;
  return min(at + 1, end);
}
