/**
 * The time of a JSON event: the first of the fields `ts`, `timestamp`, `@timestamp`, `time` that parses, else
 * the time at which the host received it.
 */
import { Json } from './json';
import { Field, NUMBER, STRING } from './jsonvalue';
import { literal } from './text';
import { NO_TIME, parseTime, receivedAt } from './time';

export class EventTime {
  private fields: StaticArray<Field>;

  constructor(json: Json) {
    this.fields = [
      json.field(literal('ts')),
      json.field(literal('timestamp')),
      json.field(literal('@timestamp')),
      json.field(literal('time')),
    ];
  }

  /** Milliseconds since 1970, for the line that the Json has parsed last. */
  of(): i64 {
    const fields = this.fields;
    for (let i = 0; i < fields.length; i++) {
      const field = unchecked(fields[i]);
      if (field.kind !== STRING && field.kind !== NUMBER) continue;
      const time = parseTime(field.text());
      if (time !== NO_TIME) return time;
    }
    return receivedAt();
  }
}
