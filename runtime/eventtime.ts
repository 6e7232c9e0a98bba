/**
 * The time of a JSON event: the first of the fields `ts`, `timestamp`, `@timestamp`, `time` that parses, else
 * the time at which the host received it.
 */
import { Json } from './json';
import { Field, NUMBER, STRING } from './jsonvalue';
import { literal } from './text';
import { NO_TIME, parseTime, receivedAt } from './time';

export class EventTime {
  private first: Field;
  private second: Field;
  private third: Field;
  private fourth: Field;

  constructor(json: Json) {
    this.first = json.field(literal('ts'));
    this.second = json.field(literal('timestamp'));
    this.third = json.field(literal('@timestamp'));
    this.fourth = json.field(literal('time'));
  }

  /** Milliseconds since 1970, for the line that the Json has parsed last. */
  of(): i64 {
    let time = timeOf(this.first);
    if (time === NO_TIME) time = timeOf(this.second);
    if (time === NO_TIME) time = timeOf(this.third);
    if (time === NO_TIME) time = timeOf(this.fourth);
    return time === NO_TIME ? receivedAt() : time;
  }
}

function timeOf(field: Field): i64 {
  return field.kind === STRING || field.kind === NUMBER ? parseTime(field.text()) : NO_TIME;
}
