/**
 * Entries of the audit for people. What an appliance writes is anybody's text.
 */
import { printable } from '../errors.js';
import { STATUS_TEXT_CHARACTERS_MAX } from '../limits.js';
import { type Act, type AuditEntry, parseEntry } from './audit.js';
import { applianceOf, type ChainReport } from './auditproof.js';

/** An entry as it was read. */
export interface AuditLine {
  readonly subject: string;
  readonly line: string;
  /** When the broker had it. */
  readonly storedMs: number;
}

/** When it was done, as who did it says; where that is no time, when the broker had it. */
export function timeOfLine({ line, storedMs }: AuditLine): number {
  const ts = parseEntry(line)?.ts;
  return typeof ts === 'number' && Math.abs(ts) <= 8.64e15 ? ts : storedMs;
}

/** Who, what, from what to what, and all else that is written of it. */
export function auditText(found: AuditLine): string {
  const entry = parseEntry(found.line);
  const time = new Date(timeOfLine(found)).toISOString();
  const whose = applianceOf(found.subject);
  if (!entry) return printable(`${time} ${whose ?? 'operators'} what is no entry`);
  const {
    seq,
    prev: _,
    ts: __,
    who,
    action,
    filter,
    before,
    after,
    id: ___,
    key,
    sig: ____,
    ...rest
  } = entry;
  const change = before === undefined && after === undefined ? '' : `${shown(before)} -> ${shown(after)}`;
  const others = Object.entries(rest).map(
    ([name, value]) => `${short(name)}=${short(JSON.stringify(value))}`,
  );
  const signer = typeof key === 'string' ? [`key=${key.slice(0, 12)}`] : [];
  const words = [time, whose ?? `operator ${who}`, `#${seq}`, action, filter, change, ...others, ...signer];
  return printable(words.filter(Boolean).map(shown).join(' '));
}

function shown(value: unknown): string {
  return value === null || value === undefined ? 'nothing' : short(String(value));
}

function short(text: string): string {
  return text.length > STATUS_TEXT_CHARACTERS_MAX ? `${text.slice(0, STATUS_TEXT_CHARACTERS_MAX)}...` : text;
}

/** As JSON: who wrote it, when the broker had it, and the entry, or nothing where it is none. */
export function auditJson({ subject, line, storedMs }: AuditLine): object {
  const entry: AuditEntry | null = parseEntry(line) ?? null;
  return { appliance: applianceOf(subject) ?? null, stored_ms: storedMs, entry };
}

/** What the proof has found, chain by chain. */
export function proofLines(reports: readonly ChainReport[]): string[] {
  const lines = reports.flatMap(({ appliance, entries, findings, wrong, known }) => {
    const who = appliance ?? 'operators';
    const more = wrong > findings.length ? [`  ${who}: and ${wrong - findings.length} more`] : [];
    const found = wrong === 0 ? 'whole' : `${wrong} wrong`;
    const state = known === 0 ? found : `${found}, but for ${known} that operators have acknowledged`;
    return [`${who}: ${entries} entries, ${state}`, ...findings.map((text) => `  ${who}: ${text}`), ...more];
  });
  return lines.map(printable);
}

/** What an act was, in few words. */
export function actText({ action, filter, after, group, role, percent }: Act): string {
  const what = [filter, role].filter((one) => one !== undefined).join(' ');
  const to = typeof after === 'string' && typeof filter === 'string' ? `(${after})` : '';
  // What takes a filter away is for nobody.
  const where = to !== '' && typeof percent === 'number' ? `for ${percent} % of ${group}` : `in ${group}`;
  return [action, what, to, group === undefined ? '' : where].filter(Boolean).join(' ');
}
