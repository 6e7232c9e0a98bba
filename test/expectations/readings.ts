/**
 * What weir makes of lines: every reader of the library and the shipped filters, one result a line.
 */
import { driveFilter } from '../../host/author/drive.js';
import { loadFilter } from '../../host/filter/library.js';
import type { WireRecord } from '../../host/wire.js';
import { buildTestFilter } from '../runtime/testfilter.js';

/** What there is of each line; a reader that finds it malformed gives no fields. */
export interface Reading {
  readonly line: string;
  readonly syslog: WireRecord;
  /** Pairs, columns by number, and JSON: of the message, or of the line where it has no header. */
  readonly pairs: WireRecord;
  readonly columns: WireRecord;
  readonly json: WireRecord;
  readonly cef: WireRecord;
  readonly audit: WireRecord;
  /** The record of the filters ssh-auth or ssh-attempts. */
  readonly ssh: WireRecord;
  /** The record of the filter fw-admin that tells the line itself. */
  readonly firewall: WireRecord;
}

export interface Wanted {
  readonly pairs: readonly string[];
  readonly cef: readonly string[];
  readonly audit: readonly string[];
  readonly json: readonly string[];
  /** What stands between columns. */
  readonly separator: string;
}

/** Reads lines, received at `now`. */
export async function readAll(lines: readonly string[], wanted: Wanted, now: string): Promise<Reading[]> {
  const filter = await buildTestFilter('every-reader');
  try {
    const { records } = filter.run(lines, { now, config: wanted });
    const [logins, attempts, firewall] = ['ssh-auth', 'ssh-attempts', 'fw-admin'].map((name) =>
      toldOf(name, lines, now),
    );
    return lines.map((line, at) => ({
      ...readingOf(line, records[at] ?? {}),
      ssh: logins?.[at] ?? attempts?.[at] ?? {},
      firewall: firewall?.[at] ?? {},
    }));
  } finally {
    await filter.remove();
  }
}

function readingOf(line: string, record: WireRecord): Omit<Reading, 'ssh' | 'firewall'> {
  const under = (reader: string): WireRecord =>
    Object.fromEntries(
      Object.entries(record)
        .filter(([name]) => name.startsWith(`${reader}.`))
        .map(([name, value]) => [name.slice(reader.length + 1), value]),
    ) as WireRecord;
  return {
    line,
    syslog: under('syslog'),
    pairs: under('pairs'),
    columns: under('columns'),
    json: under('json'),
    cef: under('cef'),
    audit: under('audit'),
  };
}

/** The record that a filter tells of each line, where it tells one; not those of windows. */
function toldOf(name: string, lines: readonly string[], now: string): (WireRecord | undefined)[] {
  const filter = driveFilter(loadFilter(name), { now });
  let told = 0;
  return lines.map((line) => {
    const records = filter.feed([line]).records();
    const before = told;
    told = records.length;
    return records.slice(before).find((record) => record.window_ms === undefined);
  });
}
