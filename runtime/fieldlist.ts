/**
 * A list of JSON fields, each with the key under which it goes into a record, and how it is shown there: as it is, or
 * as the `redact` of the config says.
 */
import { Config } from './config';
import { decimal } from './decimal';
import { Key, keyOf, Stream } from './emit';
import { Json } from './json';
import { putField } from './jsonemit';
import { Field, MISSING, STRING } from './jsonvalue';
import { masked, Redactor } from './redact';
import { Table } from './table';
import { literal, Text } from './text';

const PLAIN: i32 = 0;
const HASH: i32 = 1;
const MASK: i32 = 2;
const DROP: i32 = 3;

export class FieldList {
  private fields: StaticArray<Field>;
  private keys: StaticArray<Key>;
  private names: StaticArray<Text>;
  private shown: StaticArray<i32>;
  private redactor: Redactor | null = null;
  /** Every record has a `ts` of its own, so a field of this name adds nothing. */
  private timeAt: i32 = -1;

  constructor(json: Json, names: StaticArray<Text>) {
    this.fields = new StaticArray<Field>(names.length);
    this.keys = new StaticArray<Key>(names.length);
    this.names = names;
    this.shown = new StaticArray<i32>(names.length);
    for (let i = 0; i < names.length; i++) {
      const name = unchecked(names[i]);
      if (name.equals(literal('ts'))) this.timeAt = i;
      unchecked((this.fields[i] = json.field(name)));
      unchecked((this.keys[i] = keyOf(name)));
    }
  }

  get length(): i32 {
    return this.fields.length;
  }

  field(index: i32): Field {
    return unchecked(this.fields[index]);
  }

  key(index: i32): Key {
    return unchecked(this.keys[index]);
  }

  /** What the field is in a record; what is redacted is a string. */
  kind(index: i32): i32 {
    const kind = this.field(index).kind;
    return kind === MISSING || unchecked(this.shown[index]) === PLAIN ? kind : STRING;
  }

  /** What the field says in a record; good until the next one is asked for. */
  text(index: i32): Text {
    const text = this.field(index).text();
    const shown = unchecked(this.shown[index]);
    if (shown === PLAIN || this.field(index).kind === MISSING) return text;
    return shown === HASH ? this.redactor!.hash(text) : masked(text);
  }

  /** Adds every field that the event has to the open record. */
  put(stream: Stream): void {
    for (let i = 0; i < this.length; i++) {
      const shown = unchecked(this.shown[i]);
      if (i === this.timeAt || shown === DROP) continue;
      if (shown === PLAIN) putField(stream, this.key(i), this.field(i));
      else if (this.field(i).kind !== MISSING) stream.text(this.key(i), this.text(i));
    }
  }

  /** Adds every field to the key of a row, with its kind as the tag: 1 and "1" are two keys. */
  by(table: Table): void {
    for (let i = 0; i < this.length; i++) {
      const field = this.field(i);
      const isPlain = unchecked(this.shown[i]) === PLAIN;
      table.byTagged(<u8>(isPlain ? field.kind : this.kind(i)), isPlain ? field.text() : this.text(i));
    }
  }

  // For redactFields.

  nameOf(index: i32): string {
    const name = unchecked(this.names[index]);
    return String.UTF8.decodeUnsafe(name.start, name.length);
  }

  /** Shows each field as the rules say that name it. */
  redact(rules: Config, key: Config): void {
    for (let i = 0; i < this.length; i++) {
      const rule = rules.get(this.nameOf(i));
      if (rule.isAbsent()) continue;
      if (i === this.timeAt) rule.refuse('no rule: every record tells its time');
      const shown = shownAs(rule);
      unchecked((this.shown[i] = shown));
      if (shown === HASH && !this.redactor) this.redactor = new Redactor(key);
    }
  }
}

/** The fields with these names. */
export function fieldsNamed(json: Json, names: string[]): FieldList {
  const texts = new StaticArray<Text>(names.length);
  for (let i = 0; i < names.length; i++) unchecked((texts[i] = literal(unchecked(names[i]))));
  return new FieldList(json, texts);
}

/** The fields that a list of the config names, up to `most`, each once, none of them reserved; a missing list is empty. */
export function fieldsFrom(json: Json, list: Config, most: i32, reserved: string[]): FieldList {
  const size = list.size();
  if (size > most) list.refuse('up to ' + decimal(most) + ' field names');
  const texts = new StaticArray<Text>(size);
  for (let i = 0; i < size; i++) {
    const name = list.item(i).text();
    unchecked((texts[i] = name));
    for (let j = 0; j < i; j++) if (name.equals(unchecked(texts[j]))) list.item(i).refuse('each field once');
    for (let j = 0; j < reserved.length; j++) {
      if (!name.equals(literal(unchecked(reserved[j])))) continue;
      list.item(i).refuse('a field name other than ' + reserved.join(', '));
    }
  }
  return new FieldList(json, texts);
}

/**
 * Applies `redact` of the settings, rules by field name, and `redact_key` to the fields that records have and to those
 * that they are grouped by. A rule that would not hide what it names stops the filter.
 */
export function redactFields(settings: Config, kept: FieldList, grouped: FieldList): void {
  const rules = settings.get('redact');
  const key = settings.get('redact_key');
  if (rules.isMissing()) {
    if (!key.isMissing()) abort(key.path + ': expected "redact" beside it, found nothing');
    return;
  }
  const names: string[] = [];
  for (let i = 0; i < kept.length; i++) names.push(kept.nameOf(i));
  for (let i = 0; i < grouped.length; i++) {
    const name = grouped.nameOf(i);
    if (!names.includes(name)) names.push(name);
    const rule = rules.get(name);
    if (!rule.isAbsent() && shownAs(rule) === DROP) rule.refuse('"hash" or "mask" for a field to group by');
  }
  rules.only(names);
  for (let i = 0; i < names.length; i++) {
    const outer = unchecked(names[i]);
    for (let j = 0; j < names.length; j++) {
      const inner = unchecked(names[j]);
      if (!inner.startsWith(outer + '.')) continue;
      if (rules.get(outer).isAbsent() && rules.get(inner).isAbsent()) continue;
      abort(rules.path + ': expected no field within another, found ' + inner + ' in ' + outer);
    }
  }
  kept.redact(rules, key);
  grouped.redact(rules, key);
}

function shownAs(rule: Config): i32 {
  const name = rule.kind === STRING ? rule.text() : literal('');
  if (name.equals(literal('hash'))) return HASH;
  if (name.equals(literal('mask'))) return MASK;
  if (!name.equals(literal('drop'))) rule.refuse('"hash", "mask" or "drop"');
  return DROP;
}
