/**
 * Reads the expectations of crowdsec's hub: what each of its parsers makes of the lines of a log.
 *
 *     results["s01-parse"]["crowdsecurity/sshd-logs"][0].Success == true
 *     results["s01-parse"]["crowdsecurity/sshd-logs"][0].Evt.Parsed["sshd_client_ip"] == "192.0.2.7"
 *     results["s01-parse"]["crowdsecurity/iptables-logs"][0].Evt.Unmarshaled["iptables"]["SRC"] == "192.0.2.7"
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What one parser makes of one event. */
export interface Expectation {
  readonly test: string;
  readonly parser: string;
  readonly isParsed: boolean;
  /** By path: `Parsed.sshd_client_ip`, `Unmarshaled.iptables.SRC`. */
  readonly fields: ReadonlyMap<string, string>;
  /** The line of the log, or undefined where none holds the event's message. */
  readonly line: string | undefined;
}

const ASSERTION = /^results\["[^"]*"\]\["([^"]*)"\]\[(\d+)\]\.(Success|Evt\.(.*?)) == (".*"|\S+)$/;

/** Every expectation of the tests below a folder, each with its line. */
export function readExpectations(folder: string): Expectation[] {
  return readdirSync(folder).flatMap((test) => {
    const names = readdirSync(join(folder, test));
    const log = names.find((name) => name.endsWith('.log'));
    const path = join(folder, test, 'parser.assert');
    if (log === undefined || !existsSync(path)) return [];
    return expectationsOf(test, readFileSync(path, 'utf8'), linesOf(join(folder, test, log)));
  });
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

function expectationsOf(test: string, assertions: string, lines: readonly string[]): Expectation[] {
  const found = new Map<string, { parser: string; isParsed: boolean; fields: Map<string, string> }>();
  for (const assertion of assertions.split('\n')) {
    const [, parser, index, what, path, written] = ASSERTION.exec(assertion) ?? [];
    if (parser === undefined) continue;
    const name = `${parser} ${index}`;
    const entry = found.get(name) ?? { parser, isParsed: false, fields: new Map() };
    found.set(name, entry);
    if (what === 'Success') entry.isParsed = written === 'true';
    else entry.fields.set(nameOf(path as string), textOf(written as string));
  }
  return [...found.values()].map((entry) => ({ test, ...entry, line: lineOf(entry.fields, lines) }));
}

/** `Unmarshaled["iptables"]["SRC"]` as `Unmarshaled.iptables.SRC`. */
function nameOf(path: string): string {
  return path.replaceAll('"]["', '.').replace('["', '.').replace('"]', '');
}

function textOf(written: string): string {
  return written.startsWith('"') ? (JSON.parse(written) as string) : written;
}

/** The line with this message and time; those that are equal in both are equal in all that is compared. */
function lineOf(fields: ReadonlyMap<string, string>, lines: readonly string[]): string | undefined {
  const message = fields.get('Parsed.message');
  const time = fields.get('Parsed.timestamp') ?? fields.get('Parsed.timestamp8601') ?? '';
  const pid = fields.get('Parsed.pid') ?? '';
  if (message === undefined) return undefined;
  const holding = lines.filter((line) => line.includes(message));
  return holding.find((line) => line.includes(time) && line.includes(pid)) ?? holding[0];
}
