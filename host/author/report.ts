/**
 * What `weir test` found, for people and for the machines that collect test results (JUnit XML).
 */
import type { Manifest } from '../filter/manifest.js';
import type { Check, FilterReport } from './check.js';
import type { Rerun } from './rerun.js';

/** A report of one filter, line by line. */
export function reportText(report: FilterReport): string {
  const lines = report.checks.flatMap(({ name, tests, problem }) => [
    `  ${problem.length > 0 ? 'FAIL' : 'ok  '} ${tests === undefined ? name : counted(tests, 'unit test')}`,
    ...problem.map((line) => `         ${line}`),
  ]);
  const notes = report.notes.map((note) => `  note ${note}`);
  const figures = report.memoryBytes === undefined ? [] : [`  ${figuresText(report, report.memoryBytes)}`];
  return `${[report.filter, ...lines, ...notes, ...figures].join('\n')}\n`;
}

/** The last line: `3 filters, 24 checks, 0 failed`. */
export function sumText(reports: readonly FilterReport[]): string {
  const checks = reports.flatMap((report) => report.checks);
  const failed = checks.filter(({ problem }) => problem.length > 0).length;
  return `${counted(reports.length, 'filter')}, ${counted(checks.length, 'check')}, ${failed} failed\n`;
}

export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** A number as people read it, whatever the machine's language. */
export function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

export function memoryText(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes / 1024} KiB of memory` : `${(bytes / 2 ** 20).toFixed(1)} MiB of memory`;
}

export function ratioText(bytesIn: number, bytesOut: number): string {
  return bytesOut === 0 ? 'nothing out' : `${(bytesIn / bytesOut).toFixed(1)} to 1`;
}

function figuresText({ figures }: FilterReport, memoryBytes: number): string {
  if (!figures?.events) return memoryText(memoryBytes);
  const { events, records, bytesIn, bytesOut, eventFuel, turnFuel, turnFuelMax, eventNs } = figures;
  const parts = [
    `${counted(events, 'event')} to ${counted(records, 'record')}`,
    `${grouped(bytesIn)} to ${grouped(bytesOut)} bytes (${ratioText(bytesIn, bytesOut)})`,
    memoryText(memoryBytes),
    `${grouped(Math.round(eventFuel))} fuel an event, ${grouped(turnFuel)} of ${grouped(turnFuelMax)} in the dearest turn; ${grouped(Math.round(eventNs))} ns an event on this machine`,
  ];
  return parts.join('; ');
}

/** What a replay came to, for people: a column of numbers with what they count. */
export function summaryText({ name, version, memoryBytes }: Manifest, run: Rerun): string {
  const { events, bytes, streams, bytesOut, compressedBytes, seconds, ledger, fuel } = run;
  const rows: [string, string][] = [
    [grouped(events), `events, ${grouped(bytes)} bytes`],
    [grouped(ledger.kept), 'kept'],
    [grouped(ledger.aggregated), 'aggregated'],
    [grouped(ledger.discarded), 'discarded'],
    [grouped(ledger.malformed), 'malformed'],
    ...(['truncated', 'late', 'overflowed'] as const)
      .filter((counter) => ledger[counter] > 0)
      .map((counter): [string, string] => [grouped(ledger[counter]), counter]),
    ...Object.entries(streams).map(([stream, records]): [string, string] => [
      grouped(records),
      `${records === 1 ? 'record' : 'records'} of ${stream}`,
    ]),
    [
      grouped(bytesOut),
      `bytes out, ${grouped(compressedBytes)} compressed (${ratioText(bytes, compressedBytes)})`,
    ],
    ...(events > 0 ? [[grouped(Math.round(fuel / events)), 'fuel an event'] satisfies [string, string]] : []),
    [
      seconds.toFixed(3),
      events > 0 ? `seconds, ${grouped(Math.round(events / Math.max(seconds, 1e-6)))} events/s` : 'seconds',
    ],
  ];
  const width = Math.max(...rows.map(([number]) => number.length));
  const lines = rows.map(([number, what]) => `  ${number.padStart(width)} ${what}`);
  return `${[`${name} ${version}, ${memoryText(memoryBytes)}`, ...lines].join('\n')}\n`;
}

/** The reports as JUnit XML: a suite a filter, a case a check, or a unit test. */
export function junitXml(reports: readonly FilterReport[]): string {
  const suites = reports.map((report) => {
    const checks = report.checks.flatMap(casesOf);
    const failures = checks.filter(({ problem }) => problem.length > 0).length;
    const head = `name="${escaped(report.filter)}" tests="${checks.length}" failures="${failures}"`;
    const cases = checks.map((check) => caseXml(report.filter, check)).join('');
    const { memoryBytes } = report;
    const out =
      memoryBytes === undefined
        ? ''
        : `    <system-out>${escaped(figuresText(report, memoryBytes))}</system-out>\n`;
    return `  <testsuite ${head} time="${seconds(report.checks)}">\n${cases}${out}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="weir test">\n${suites.join('')}</testsuites>\n`;
}

/** The parts of a check, and itself where they do not tell all: where they are not as many as passed, or it fails and none of them does. */
function casesOf(check: Check): readonly Check[] {
  const { parts = [], tests, problem } = check;
  const isFailed = problem.length > 0;
  const isTold = isFailed ? parts.some((part) => part.problem.length > 0) : parts.length === tests;
  return isTold ? parts : [...parts, check];
}

function caseXml(filter: string, check: Check): string {
  const head = `    <testcase classname="${escaped(filter)}" name="${escaped(check.name)}" time="${seconds([check])}"`;
  const [first] = check.problem;
  if (first === undefined) return `${head}/>\n`;
  const failure = `<failure message="${escaped(first)}">${escaped(check.problem.join('\n'))}</failure>`;
  return `${head}>\n      ${failure}\n    </testcase>\n`;
}

function seconds(checks: readonly Check[]): string {
  return (checks.reduce((total, { ms }) => total + ms, 0) / 1000).toFixed(3);
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text of an element or attribute. What XML 1.0 cannot hold (section 2.2) becomes U+FFFD. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"]/g, (found) => ENTITIES[found] as string)
    .replace(/[\r\t]/g, (found) => `&#${found.charCodeAt(0)};`);
}
