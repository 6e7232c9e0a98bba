/**
 * What the dearest events and windows that can be made take: nobody who writes events may be able to make one that a shipped
 * filter, or a reader of the library, cannot bear with the fuel that it has.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Parts } from '../../host/filter/calls.js';
import { type FilterInstance, startFilter } from '../../host/filter/instance.js';
import { type InstalledFilter, loadFilter } from '../../host/filter/library.js';
import { BATCH_BYTES_DEFAULT, FUEL_MAX, FUEL_PER_EVENT_BYTE, FUEL_DEFAULT } from '../../host/limits.js';
import { driveFilter } from '../../host/author/drive.js';
import { buildTestFilter } from '../runtime/testfilter.js';

const NOW_MS = Date.parse('2026-01-31T12:00:00Z');
/** What the dearest that was found may take of what there is. */
const SHARE_MAX = 0.9;

interface Subject {
  readonly filter: string;
  readonly config?: object;
}

const NAMES = ['a', 'b', 'ts', 'time', 'x', 'ex', 'type', 'msg', 'user', 'src'];
const SHIPPED: readonly Subject[] = [
  { filter: 'audit-exec' },
  { filter: 'files' },
  { filter: 'fw-admin' },
  { filter: 'json-select', config: { count_by: ['user', 'a', 'b'] } },
  { filter: 'json-select', config: { where: clauses(16), keep: NAMES } },
  { filter: 'json-select', config: { where: [{ field: 'a', contains: 'xxxxxyxxxxxx' }] } },
  { filter: 'processes' },
  { filter: 'ssh-attempts' },
  { filter: 'ssh-auth' },
  { filter: 'tripwire' },
];
/** One reader each. */
const READERS: readonly Subject[] = [
  { filter: 'audit-fields', config: { fields: NAMES } },
  { filter: 'cef-fields', config: { fields: NAMES } },
  { filter: 'csv-columns', config: { separator: ',', columns: ['0', '1', '255'] } },
  { filter: 'keyvalue-fields', config: { fields: NAMES, syslog: true } },
  { filter: 'select-literals', config: { literals: Array.from({ length: 1_024 }, (_, at) => `xxxx${at}`) } },
  { filter: 'syslog-fields', config: { params: ['ex/a', 'ID47/b'] } },
  { filter: 'text-tools', config: { tool: 'glob', needles: ['*x'.repeat(127)] } },
  { filter: 'text-tools', config: { tool: 'nocase', needles: [`${'x'.repeat(100)}y`] } },
  { filter: 'text-tools', config: { tool: 'address', needles: [] } },
];

/** Clauses that each look through all of a field that is nearly what they look for. */
function clauses(count: number): object[] {
  return Array.from({ length: count }, (_, at) => ({ field: 'a', contains: `xxxxy${'x'.repeat(at)}` }));
}

/** Beginnings of a line that fills the input region, and what fills it: what makes a reader look twice. */
const BEGINNINGS = [
  '',
  '{"a":"',
  '{"op":"create","path":"/',
  '{"a":[',
  '{',
  "type=USER_CMD msg=audit(1.001:1): a='",
  'type=USER_CMD msg=audit(1.001:1): acct=',
  'type=EXECVE msg=audit(1.001:1): argc=1 ',
  'type=EXECVE msg=audit(1.001:1): argc=1 a0="',
  '<34>1 2003-10-11T22:14:15.003Z h app - ID47 [ex a="',
  '<34>Oct 11 22:14:15 h sshd[1]: Failed password for invalid user ',
  '<34>Oct 11 22:14:15 h sshd[1]: Invalid user ',
  'CEF:0|a|b|c|d|e|f|',
];
const FILLINGS = [
  'x',
  'xy',
  '"',
  '\\"',
  '{',
  '=',
  'a=',
  '":',
  '"a":1,',
  ':',
  '|',
  ' from ',
  '%',
  'é',
  '\xff',
  '\xf0',
  ' ',
  'F0',
  ',',
  'CEF:',
];

function* longLines(bytes: number): Generator<Buffer> {
  for (const beginning of BEGINNINGS) {
    for (const filling of FILLINGS) {
      const line = Buffer.alloc(bytes, filling, 'latin1');
      line.write(beginning, 'latin1');
      line.write('"}\n', bytes - 3);
      yield line;
    }
  }
}

/** Makes a call; answers the fuel of its dearest turn. */
function dearest(filter: FilterInstance, parts: Parts): number {
  let most = 0;
  for (let isDone = false; !isDone; ) {
    const before = filter.fuelUsed();
    isDone = parts.next().done === true;
    most = Math.max(most, filter.fuelUsed() - before);
  }
  return most;
}

/** Bears the lines alone, each in a filter that is as it started; the dearest takes a part of what there is. */
function bearsLongLines({ manifest, module }: InstalledFilter, config: object, what: string): void {
  const modest = { ...manifest, fuel: FUEL_DEFAULT };
  const bytes = Math.min(manifest.memory.input, BATCH_BYTES_DEFAULT);
  const most = Math.max(FUEL_DEFAULT, FUEL_PER_EVENT_BYTE * bytes);
  const filter = startFilter({ manifest: modest, module, config, zones: [] });
  filter.save();
  for (const line of longLines(bytes)) {
    line.copy(filter.input);
    const share =
      dearest(
        filter,
        filter.run(bytes, NOW_MS, false, () => {}),
      ) / most;
    filter.restore();
    assert.ok(share < SHARE_MAX, `${what}: ${line.toString('latin1', 0, 80)}: ${share} of ${most}`);
  }
}

const nameOf = ({ filter, config = {} }: Subject) => `${filter} ${JSON.stringify(config).slice(0, 60)}`;

test('no line can be made that a shipped filter cannot bear', () => {
  for (const subject of SHIPPED) {
    const loaded = loadFilter(subject.filter);
    assert.is(loaded.manifest.fuel, FUEL_DEFAULT, `${subject.filter} asks for no more than others`);
    bearsLongLines(loaded, subject.config ?? {}, nameOf(subject));
  }
});

test('no line can be made that a reader of the library cannot bear with the fuel that filters have', async () => {
  for (const subject of READERS) {
    const built = await buildTestFilter(subject.filter);
    const loaded = loadFilter(subject.filter, built.folder);
    bearsLongLines(loaded, subject.config ?? {}, nameOf(subject));
    await built.remove();
  }
});

/** Lines that are all beginning: what a line costs by itself is most for these. */
const SHORT_LINES = ['', 'x', ' ', '1', '{', '{}', '[', '"', '=', 'a=', '<', 'type='];

test('short lines, which cost the most for their bytes, are read however many come', () => {
  for (const { filter, config = {} } of SHIPPED) {
    for (const line of SHORT_LINES) {
      const count = 100_000;
      const driven = driveFilter(loadFilter(filter), { config }).feed(Buffer.from(`${line}\n`.repeat(count)));
      assert.is(driven.ledger().in, count, `${filter}, "${line}"`);
    }
  }
});

/**
 * What takes the most to tell: groups of bytes that each begin a character and end none, twice where they are first taken for JSON; lists of
 * numbers; joined events full of `=`, and of spaces between arguments.
 */
const invalid = (at: number, bytes: number) => `${at}${'\xf0'.repeat(bytes - 4)}`;
interface Full extends Subject {
  /** Lines, of which each opens something. */
  readonly lines: number;
  readonly line: (at: number) => string;
  /** Records at the end; as many as lines where it is absent. */
  readonly records?: number;
}

const FULL: readonly Full[] = [
  {
    filter: 'audit-exec',
    lines: 64,
    line: (at) => `type=SYSCALL msg=audit(${NOW_MS / 1_000}.000:${at}): a=1 ${'='.repeat(32_500)}`,
    records: 1,
  },
  {
    filter: 'audit-exec',
    lines: 64,
    line: (at) => `type=EXECVE msg=audit(${NOW_MS / 1_000}.000:${at}): argc=1 ${' '.repeat(32_600)}`,
  },
  {
    filter: 'json-select',
    config: { count_by: ['a'] },
    lines: 8_192,
    line: (at) => `{"ts":${NOW_MS},"a":[${'1,'.repeat(57)}${at}]}`,
  },
  {
    filter: 'json-select',
    config: { count_by: ['a'] },
    lines: 8_192,
    line: (at) => `{"ts":${NOW_MS},"a":[${'1e22,'.repeat(23)}${at}]}`,
  },
  {
    filter: 'json-select',
    config: { count_by: ['a'] },
    lines: 8_192,
    line: (at) => `{"ts":${NOW_MS},"a":["${invalid(at, 120)}"x]}`,
  },
  { filter: 'files', lines: 4_096, line: (at) => `{"op":"create","path":"/${invalid(at, 195)}/x"}` },
  { filter: 'processes', lines: 2_048, line: (at) => `{"op":"start","pid":1,"exe":"${invalid(at, 197)}"}` },
  {
    filter: 'fw-admin',
    lines: 1_024,
    line: (at) => `type="${invalid(at, 64)}" subtype="${invalid(at, 64)}" logid=1`,
  },
  {
    filter: 'ssh-auth',
    lines: 2_048,
    line: (at) =>
      `Jan 31 12:00:00 h sshd[1]: Failed password for ${invalid(at, 90)} from 2001:db8:1111:2222:3333:4444:5555:${at} port 1 ssh2`,
  },
];

test('no window can be filled that a shipped filter cannot tell, in turns that hold nobody up', () => {
  for (const { filter: name, config = {}, lines, line, records = lines } of FULL) {
    const { manifest, module } = loadFilter(name);
    const filter = startFilter({ manifest, module, config, zones: [] });
    let told = 0;
    for (let at = 0; at < lines; at++)
      dearest(
        filter,
        filter.run(filter.input.write(`${line(at)}\n`, 'latin1'), NOW_MS, false, () => {}),
      );
    const before = filter.fuelUsed();
    const closing = filter.closeWindows(NOW_MS, () => told++);
    const turn = dearest(filter, closing) / FUEL_DEFAULT;
    const share = (filter.fuelUsed() - before) / FUEL_MAX;
    assert.is(told, records, name);
    assert.ok(turn < SHARE_MAX, `${name}, ${line(0).slice(0, 80)}: ${turn} of a turn`);
    assert.ok(share < SHARE_MAX, `${name}, ${line(0).slice(0, 80)}: ${share} of ${FUEL_MAX}`);
  }
});

/** A kind of 256 bytes: long words, and two in the middle that are others in each. */
function longKind(program: number, at: number, second = at): string {
  const letters = (of: number) =>
    String(of)
      .padStart(4, '0')
      .replace(/\d/g, (digit) => 'qrstuvwxyz'[+digit] as string);
  const text = `${'x'.repeat(122)}${letters(at)} ${letters(second)}${'y'.repeat(125)}`;
  return `Jan 31 12:00:00 h p${letters(program)}[1]: ${text}\n`;
}

test('no line is too dear for tripwire, whatever kinds it knows', () => {
  const { manifest, module } = loadFilter('tripwire');
  const filter = startFilter({ manifest, module, config: { varies_after: 16 }, zones: [] });
  let told = 0;
  let most = 0;
  const see = (line: string) => {
    const parts = filter.run(filter.input.write(line, 'latin1'), NOW_MS, false, () => told++);
    most = Math.max(most, dearest(filter, parts));
  };
  for (let program = 0; program < 16; program++) for (let at = 0; at < 240; at++) see(longKind(program, at));
  for (let second = 1_000; second < 1_016; second++) see(longKind(0, 0, second));
  assert.is(told, 16 * 240 + 16);
  assert.ok(most / FUEL_DEFAULT < SHARE_MAX, `${most} of ${FUEL_DEFAULT}`);
  console.log(`note: the dearest line of tripwire takes ${most}`);
});

test.run();
