/**
 * What was verified, for people: a table of streams, the books of each filter, what is explained, what is not, and the verdict.
 */
import { counted, grouped } from '../author/report.js';
import { printable } from '../errors.js';
import { ANY_SOURCE } from '../ledger.js';
import { sumOf } from './books.js';
import type { Explained, LedgerReport, Report, StreamReport } from './report.js';

export function reportText(report: Report): string {
  const { streams, ledgers, explained, findings, findings_left_out: more } = report;
  const parts = [
    streams.length > 0 ? table(streams) : [],
    section('Ledgers', ledgers.map(ledgerText)),
    section('Explained', explained.map(explainedText)),
    section('Unexplained', [
      ...findings.map(({ kind, subject, sequence, text }) =>
        printable(`${subject}${sequence > 0 ? ` place ${sequence}` : ''}: ${kind}: ${text}`),
      ),
      ...(more > 0 ? [`${grouped(more)} more of such`] : []),
    ]),
    [verdict(report)],
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

const COLUMNS: readonly (readonly [string, (stream: StreamReport) => string | number])[] = [
  ['APPLIANCE', ({ appliance }) => appliance],
  ['FILTER', ({ filter }) => filter],
  ['STREAM', ({ stream }) => stream],
  ['MESSAGES', ({ messages }) => messages],
  ['RECORDS', ({ records }) => records],
  ['EVENTS', ({ events }) => events],
  ['LOST', ({ lost }) => lost],
  ['HOLES', ({ holes }) => holes],
  ['DUPLICATES', ({ duplicates }) => duplicates],
  ['UNEXPLAINED', ({ unexplained }) => unexplained],
];

/** Names to the left, numbers to the right. */
function table(streams: readonly StreamReport[]): string[] {
  const columns = COLUMNS.map(([title, cellOf]) => {
    const values = streams.map(cellOf);
    const cells = [title, ...values.map(String)];
    const width = Math.max(...cells.map(({ length }) => length));
    const isNumber = typeof values[0] === 'number';
    return cells.map((cell) => (isNumber ? cell.padStart(width) : cell.padEnd(width)));
  });
  return [undefined, ...streams].map((_, row) => columns.map((cells) => cells[row]).join('  '));
}

function ledgerText({
  appliance,
  filter,
  not_told: untold,
  not_told_unknown: why,
  ...ledger
}: LedgerReport): string {
  const { in: events, kept, aggregated, discarded, malformed, lost, cut, dead, shed } = ledger;
  const classes = `in ${events} = kept ${kept} + aggregated ${aggregated} + discarded ${discarded} + malformed ${malformed}`;
  const others = `lost ${sumOf(lost)}, cut ${sumOf(cut)}, dead ${sumOf(dead)}, shed ${sumOf(shed)}`;
  const rest = why === null ? `${counted(untold ?? 0, 'event')} not told yet` : UNKNOWN[why];
  return `${appliance}.${filter}: ${classes}; ${others}; ${rest}`;
}

const UNKNOWN: Readonly<Record<NonNullable<LedgerReport['not_told_unknown']>, string>> = {
  older: 'begins before what is held',
  hole: 'something of it is missing',
  epoch: 'another epoch began, so what is not told yet is not known',
};

const OLDER: Readonly<Record<string, string>> = {
  retention: 'let go by the stream',
  since: 'from before --since',
  max_msgs_per_subject: 'let go by the stream, which keeps a few of each subject',
};

function explainedText({ appliance, filter, stream, count, what, reason }: Explained): string {
  const name = `${appliance}.${filter}`;
  const messages = count === null ? 'messages' : counted(count, 'message');
  const events = `${name}: ${counted(count ?? 0, 'event')} of ${reason === ANY_SOURCE ? 'any of its sources' : reason}`;
  switch (what) {
    case 'older':
      return `${name}.${stream}: older ${messages} ${OLDER[reason] ?? reason}`;
    case 'gone':
      return `${name}.${stream}: ${messages} gone before an epoch began (${reason})`;
    case 'epoch':
      return `${name}.${stream}: ${counted(count ?? 0, 'more epoch')} (${reason})`;
    case 'repeated':
      return `${name}.${stream}: up to ${messages} may tell again what was told before, in an epoch that does not know of it (${reason})`;
    case 'lost':
      return `${events} lost before it had read them, or from its state`;
    case 'taken_out':
      return `${name}: taken out by ${reason}, in ${counted(count ?? 0, 'record')} of its ledger: what it did not read of sockets and pipes then is lost, of files it waits`;
    case 'cut':
      return `${events} cut to its limit`;
    case 'dead':
      return `${events} left out, because it was at fault there`;
    case 'shed':
      return `${name}.${reason}: ${counted(count ?? 0, 'record')} shed, by limits.records or for a low priority`;
  }
}

function verdict({ complete, unexplained, streams, messages, records, stream, ...where }: Report): string {
  const read = [
    counted(streams.length, 'stream'),
    counted(messages, 'message'),
    counted(records, 'record'),
  ].join(', ');
  const places = messages > 0 ? ` of places ${where.first_sequence} to ${where.last_sequence}` : '';
  const others = where.other_messages > 0 ? `, ${counted(where.other_messages, 'other message')}` : '';
  const found = complete ? 'complete: all is explained' : `NOT complete: ${grouped(unexplained)} unexplained`;
  return `${stream}${places}: ${read}${others}; ${found}`;
}
