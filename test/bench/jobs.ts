/**
 * The jobs from a file to records, each with the same job in plain Node.
 */
import { type DataKind, LITERALS } from './data.js';
import * as plain from './plain.js';
import { SELECT } from './select.js';

export interface FileJob {
  readonly job: string;
  readonly data: DataKind;
  /** A shipped filter, or one of `test/filters`. */
  readonly filter: string;
  readonly config: unknown;
  /** What both sides must agree on, of every record. */
  readonly fields: readonly string[];
  readonly simple: plain.PlainJob;
  readonly tuned?: plain.PlainJob;
  /** Tell the rate as a share of the rate of reading the file, too. */
  readonly besideReading?: boolean;
  readonly target: string;
}

export const FILE_JOBS: Readonly<Record<string, FileJob>> = {
  select: {
    job: 'select 4.4 % of NDJSON on two fields',
    data: 'ndjson',
    filter: 'json-select',
    config: SELECT,
    fields: ['ts', 'user', 'src_ip', 'host'],
    simple: plain.selectSimple,
    tuned: plain.selectTuned,
    besideReading: true,
    target: '25x simple, 4x tuned, 35 % of reading',
  },
  count: {
    job: 'count every NDJSON event by two fields and hour',
    data: 'ndjson',
    filter: 'json-select',
    config: { count_by: ['program', 'host'], window: '1h' },
    fields: ['ts', 'program', 'host', 'count'],
    simple: plain.countSimple,
    target: '9x simple',
  },
  syslog: {
    job: 'select 4 % of syslog by program and message',
    data: 'syslog',
    filter: 'select-syslog',
    config: {},
    fields: ['ts', 'host', 'message'],
    simple: plain.selectSyslogSimple,
    tuned: plain.selectSyslogTuned,
    target: '20x simple',
  },
  keyvalue: {
    job: 'count every line of key=value by two fields and hour',
    data: 'keyvalue',
    filter: 'count-keyvalue',
    config: {},
    fields: ['ts', 'type', 'subtype', 'count'],
    simple: plain.countKeyvalueSimple,
    target: '8x simple',
  },
  literals: {
    job: 'select 1 % of syslog by 200 literals at once',
    data: 'commands',
    filter: 'select-literals',
    config: { literals: LITERALS },
    fields: ['line'],
    simple: plain.selectLiteralsSimple,
    target: '10x one regular expression of alternatives',
  },
};
