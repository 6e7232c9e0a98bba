/**
 * An audit log: entries that each name the digest of the one before, on disk and on the broker.
 *
 * Who changes an entry, or leaves one out, breaks the chain, and would have to write all that follow anew; the last digest is in
 * every status, so that those who saw it before would notice. An entry is a line of JSON; its digest is the SHA-256 of that line.
 *
 *     <folder>/audit.jsonl      the latest entries
 *     <folder>/audit.1.jsonl    those before them; older ones are on the broker only
 *
 * The broker gets them in their order, each behind the one before it, so that nobody writes in between. While it is away they wait here.
 */
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Value } from '../bucket.js';
import type { Broker } from '../broker.js';
import { sha256Of } from '../digest.js';
import { naming, replaceFile, takesNothing } from '../durable.js';
import { Misplaced } from '../jetstream.js';
import { AUDIT_FILE_BYTES_MAX } from '../fleetlimits.js';
import { auditStream, FLEET_AUDIT_SUBJECT, FLEET_STREAM, type Message } from '../wire.js';

/** What is written down of an act: who, what, why, and what was before and after. */
export interface Act {
  readonly action: string;
  readonly filter?: string;
  readonly before?: string | null;
  readonly after?: string | null;
  readonly reason?: string;
  readonly ticket?: string;
  readonly by?: string;
  readonly [more: string]: unknown;
}

export interface AuditEntry extends Act {
  readonly seq: number;
  /** Digest of the entry before; empty for the first. */
  readonly prev: string;
  readonly ts: number;
  readonly who: string;
  /** Of an operator's entry: which key has signed it, and its signature (`auditsign.ts`). */
  readonly key?: string;
  readonly sig?: string;
}

export interface AuditHead {
  readonly seq: number;
  readonly digest: string;
}

export interface AuditLog {
  add(act: Act): void;
  head(): AuditHead;
  /**
   * Sends what the broker has not, or not any more; answers when it has stored the last of that, by its clock. Rejects when it cannot;
   * another time goes on.
   */
  send(broker: AuditBroker): Promise<number | undefined>;
}

export interface AuditBroker {
  publish(message: Message, follows: number): Promise<{ readonly sequence: number }>;
  value(stream: string, subject: string): Promise<Value | undefined>;
}

export interface AuditOptions {
  readonly folder: string;
  readonly subject: string;
  readonly who: string;
  readonly now: () => number;
}

export function createAudit({ folder, subject, who, now }: AuditOptions): AuditLog {
  const path = join(folder, 'audit.jsonl');
  const older = join(folder, 'audit.1.jsonl');
  /** What a kill, or a disk that was full, has left of an entry: nothing may follow behind it. */
  let isTorn = true;
  function cut(): void {
    if (isTorn) cutTorn(path);
    isTorn = false;
  }

  try {
    cut();
  } catch (error) {
    // On a disk that is read-only now: before the next entry.
    if (!takesNothing(error)) throw error;
  }
  let head = headOf([...linesOf(older), ...linesOf(path)].at(-1));
  let sending: Promise<number | undefined> | undefined;
  const lines = () => [...linesOf(older), ...linesOf(path)];

  /** Sends what is behind the last entry that the broker has, with all that comes meanwhile. */
  async function sendRest(broker: AuditBroker): Promise<number | undefined> {
    try {
      const last = await broker.value(auditStream(subject), subject);
      const sent = headOf(last && Buffer.from(last.bytes).toString('utf8'));
      if (sent.seq > 0 && !lines().some((line) => isSame(headOf(line), sent))) goOnBehind(sent);
      let follows = last?.revision ?? 0;
      let sentTo = sent.seq;
      let storedMs: number | undefined;
      while (sentTo < head.seq) {
        for (const line of lines()) {
          const { seq } = headOf(line);
          if (seq <= sentTo) continue;
          follows = (await publish(broker, subject, line, follows)).sequence;
          sentTo = seq;
        }
        storedMs = (await broker.value(auditStream(subject), subject))?.storedMs;
      }
      return storedMs;
    } finally {
      // At once: whoever adds an entry from here on must not be given a sending that has ended without it.
      sending = undefined;
    }
  }

  /** The data folder is a new one, or an old one: what is here goes on behind what the broker has, and says so. */
  function goOnBehind(sent: AuditHead): void {
    const was = head;
    const own = lines().flatMap((line) => parseEntry(line) ?? []);
    const [first] = own;
    const begin = { action: 'audit goes on', was };
    const acts = [
      { ...begin, who, ts: now() },
      ...own.filter(({ seq }) => seq > sent.seq || first?.seq === 1),
    ];
    let text = '';
    head = sent;
    for (const act of acts) {
      const line = JSON.stringify({ ...act, seq: head.seq + 1, prev: head.digest });
      head = headOf(line);
      text += `${line}\n`;
    }
    rmSync(older, { force: true });
    replaceFile(path, text, true);
  }

  return {
    head: () => head,
    add(act) {
      const entry: AuditEntry = { seq: head.seq + 1, prev: head.digest, ts: now(), who, ...act };
      const line = JSON.stringify(entry);
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > AUDIT_FILE_BYTES_MAX)
        renameSync(path, older);
      cut();
      isTorn = true;
      naming(path, () => appendFileSync(path, `${line}\n`, { mode: 0o600, flush: true }));
      isTorn = false;
      head = headOf(line);
    },
    send(broker) {
      // Not begun before `sending` is set, which its end clears.
      sending ??= Promise.resolve().then(() => sendRest(broker));
      return sending;
    },
  };
}

function isSame(one: AuditHead, other: AuditHead): boolean {
  return one.seq === other.seq && one.digest === other.digest;
}

/** Appends an entry to a chain that is on the broker alone, behind whatever is its end; answers it. Rejects when others keep writing. */
export async function appendEntry(
  broker: AuditBroker,
  subject: string,
  make: (head: AuditHead) => AuditEntry,
): Promise<AuditEntry> {
  for (let attempt = 0; ; attempt++) {
    const last = await broker.value(auditStream(subject), subject);
    const entry = make(headOf(last && Buffer.from(last.bytes).toString('utf8')));
    try {
      await publish(broker, subject, JSON.stringify(entry), last?.revision ?? 0);
      return entry;
    } catch (error) {
      if (!(error instanceof Misplaced) || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

const ATTEMPTS_MAX = 8;

function publish(broker: AuditBroker, subject: string, line: string, follows: number) {
  return broker.publish({ subject, headers: {}, body: Buffer.from(line) }, follows);
}

/** Where operators' entries are. */
export const OPERATORS_AUDIT = { stream: FLEET_STREAM, subject: FLEET_AUDIT_SUBJECT };

/** Calls `each` for all entries of operators, in their order; no signature is looked at. */
export async function eachOfOperators(
  broker: Pick<Broker, 'read'>,
  each: (entry: AuditEntry) => void,
): Promise<void> {
  await broker.read(OPERATORS_AUDIT, ({ body }) => {
    const entry = parseEntry(Buffer.from(body).toString('utf8'));
    if (entry) each(entry);
  });
}

/** One line of a chain; nothing when it is none. */
export function parseEntry(line: string): AuditEntry | undefined {
  try {
    const entry = JSON.parse(line) as Partial<AuditEntry> | null;
    const isGood = Number.isSafeInteger(entry?.seq) && typeof entry?.prev === 'string';
    return isGood && typeof entry?.action === 'string' ? (entry as AuditEntry) : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with a line behind the one before it; nothing when it follows. `before`: undefined where a part begins. */
export function brokenLink(before: AuditHead | undefined, line: string): string | undefined {
  const entry = parseEntry(line);
  if (!entry) return `after entry ${before?.seq ?? 0}: expected an entry, found something else`;
  const expected = before ?? { seq: entry.seq - 1, digest: entry.seq === 1 ? '' : entry.prev };
  if (entry.seq !== expected.seq + 1) return `entry ${entry.seq}: expected entry ${expected.seq + 1}`;
  return entry.prev === expected.digest
    ? undefined
    : `entry ${entry.seq}: the one before it is not what it was`;
}

export function headOf(line: string | undefined): AuditHead {
  const entry = line === undefined ? undefined : parseEntry(line);
  return entry && line !== undefined ? { seq: entry.seq, digest: sha256Of(line) } : { seq: 0, digest: '' };
}

/** A line that a kill has cut off was in no status and is on no broker. */
function cutTorn(path: string): void {
  if (!existsSync(path)) return;
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.length) truncateSync(path, end);
}

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}
