/**
 * A list of JSON fields from the config, each with the key under which it goes into a record. A name that the
 * record has anyway (`ts`) may stand in `keep`, where it adds nothing, but not where it would name two things.
 */
import { Config } from './config';
import { Key, keyOf, Stream } from './emit';
import { Json } from './json';
import { putField } from './jsonemit';
import { Field } from './jsonvalue';
import { literal } from './text';

export class FieldList {
  readonly fields: StaticArray<Field>;
  readonly keys: StaticArray<Key>;
  private timeAt: i32 = -1;

  /** Reads a list of up to `most` field names, none of them reserved; a missing list is empty. */
  constructor(json: Json, list: Config, most: i32, reserved: string[]) {
    const size = list.size();
    if (size > most) list.refuse('up to ' + most.toString() + ' field names');
    this.fields = new StaticArray<Field>(size);
    this.keys = new StaticArray<Key>(size);
    for (let i = 0; i < size; i++) {
      const name = list.item(i).text();
      for (let j = 0; j < reserved.length; j++) {
        if (name.equals(literal(reserved[j])))
          list.item(i).refuse('a field name other than ' + reserved.join(', '));
      }
      if (name.equals(literal('ts'))) this.timeAt = i;
      this.fields[i] = json.field(name);
      this.keys[i] = keyOf(name);
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
