/**
 * A list of JSON fields, each with the key under which it goes into a record.
 */
import { Config } from './config';
import { Key, keyOf, Stream } from './emit';
import { Json } from './json';
import { putField } from './jsonemit';
import { Field } from './jsonvalue';
import { literal, Text } from './text';

export class FieldList {
  readonly fields: StaticArray<Field>;
  readonly keys: StaticArray<Key>;
  /** Every record has a `ts` of its own, so a field of this name adds nothing. */
  private timeAt: i32 = -1;

  constructor(json: Json, names: StaticArray<Text>) {
    this.fields = new StaticArray<Field>(names.length);
    this.keys = new StaticArray<Key>(names.length);
    for (let i = 0; i < names.length; i++) {
      if (names[i].equals(literal('ts'))) this.timeAt = i;
      this.fields[i] = json.field(names[i]);
      this.keys[i] = keyOf(names[i]);
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

  /** Adds every field that the event has to the open record. */
  put(stream: Stream): void {
    for (let i = 0; i < this.length; i++) {
      if (i !== this.timeAt) putField(stream, this.key(i), this.field(i));
    }
  }
}

/** The fields with these names. */
export function fieldsNamed(json: Json, names: string[]): FieldList {
  const texts = new StaticArray<Text>(names.length);
  for (let i = 0; i < names.length; i++) texts[i] = literal(names[i]);
  return new FieldList(json, texts);
}

/** The fields that a list of the config names, up to `most`, each once, none of them reserved; a missing list is empty. */
export function fieldsFrom(json: Json, list: Config, most: i32, reserved: string[]): FieldList {
  const size = list.size();
  if (size > most) list.refuse('up to ' + most.toString() + ' field names');
  const texts = new StaticArray<Text>(size);
  for (let i = 0; i < size; i++) {
    texts[i] = list.item(i).text();
    for (let j = 0; j < i; j++) if (texts[i].equals(texts[j])) list.item(i).refuse('each field once');
    for (let j = 0; j < reserved.length; j++) {
      if (!texts[i].equals(literal(reserved[j]))) continue;
      list.item(i).refuse('a field name other than ' + reserved.join(', '));
    }
  }
  return new FieldList(json, texts);
}
