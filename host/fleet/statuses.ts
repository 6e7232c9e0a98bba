/**
 * What appliances say of themselves, on `weir.status.<appliance>`: the last word of each, as the stream WEIR_STATUS has it, and what comes after that.
 *
 * Nobody has signed it, and an appliance in somebody else's hands says what it likes: each status is checked and cut before anything
 * is made of it, whose it is says its subject alone, how old it is the broker, and nothing that is signed depends on it. What is no
 * status is told with what is wrong with it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Broker } from '../broker.js';
import { WeirError } from '../errors.js';
import { FLEET_STATUS_BYTES_MAX, STATUSES_GAP_MS } from '../fleetlimits.js';
import { FILTERS_MAX, SOURCES_MAX, STATUS_TEXT_CHARACTERS_MAX } from '../limits.js';
import { NAME_PATTERN, STATUS_STREAM, STATUS_WILDCARD } from '../wire.js';
import type { AuditHead } from './audit.js';

export interface FilterWord {
  /** `name@version+hash`. */
  readonly running: string;
  readonly state: string;
  /** Events at which it was at fault, since its data folder was made. */
  readonly dead: number;
  /** Number of its last dead letter: for an event, a tick or something that was due. 0 from hosts that do not tell it. */
  readonly letters: number;
}

export interface AttemptWord {
  readonly version: string;
  readonly rollout: string;
  readonly state: string;
  readonly reason: string;
}

/** What a host in a fleet says. */
export interface FleetWord {
  readonly group: string;
  /** Names of its sources; nothing of a host that does not tell them. */
  readonly sources: readonly string[] | undefined;
  readonly serial: number;
  readonly stale: string | undefined;
  readonly error: string | undefined;
  /** Rollouts of which the release runs, by filter. */
  readonly runs: ReadonlyMap<string, string>;
  readonly attempted: ReadonlyMap<string, AttemptWord>;
  readonly audit: AuditHead;
}

export interface HostWord {
  readonly filters: ReadonlyMap<string, FilterWord>;
  /** Nothing of a host in no fleet. */
  readonly fleet: FleetWord | undefined;
}

/** The last status of an appliance. */
export interface Told {
  readonly appliance: string;
  /** When the broker had it. */
  readonly heardMs: number;
  /** What it says, or what is wrong with it. */
  readonly word: HostWord | string;
}

export interface Statuses {
  all(): ReadonlyMap<string, Told>;
  /** False while the connection is away, until what was missed has been read. */
  isCurrent(): boolean;
  /** Resolves when there is a status that came since it resolved before, or after so long; not at each of a fleet that says much. */
  next(ms: number): Promise<void>;
  close(): void;
}

/** The last status of each appliance, by its name. Throws STREAM_MISSING, BROKER_REFUSED or BROKER_UNREACHABLE. */
export async function readStatuses(broker: Pick<Broker, 'read'>): Promise<Map<string, Told>> {
  const found = new Map<string, Told>();
  await broker.read({ stream: STATUS_STREAM }, ({ subject, body, storedMs }) => {
    const told = toldOn(subject, body, storedMs);
    found.set(told.appliance, told);
  });
  return found;
}

/** The same, and what comes after that. Throws as it does. */
export async function watchStatuses(
  broker: Pick<Broker, 'read' | 'subscribe' | 'onConnected' | 'connected'>,
  now: () => number = Date.now,
): Promise<Statuses> {
  const all = new Map<string, Told>();
  let isRead = true;
  let isClosed = false;
  let isNew = false;
  let wake = () => {};

  function take(told: Told): void {
    if ((all.get(told.appliance)?.heardMs ?? 0) <= told.heardMs) all.set(told.appliance, told);
    isNew = true;
    wake();
  }

  async function read(): Promise<void> {
    for (const told of (await readStatuses(broker)).values()) take(told);
    isRead = true;
  }

  const subscription = broker.subscribe(STATUS_WILDCARD, (subject, _headers, body) =>
    take(toldOn(subject, body, now())),
  );
  await read();
  let isFirst = true;
  broker.onConnected(() => {
    // The connection that stands already.
    if (isFirst || isClosed) return;
    isRead = false;
    // Where it breaks once more, the next connection comes here again.
    read().catch(() => {});
  });
  isFirst = false;
  return {
    all: () => all,
    isCurrent: () => isRead && broker.connected(),
    async next(ms) {
      await pause(STATUSES_GAP_MS);
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const late = new AbortController();
      const { signal } = late;
      if (!isNew) await Promise.race([woken, pause(ms, undefined, { signal }).catch(() => {})]);
      late.abort();
      isNew = false;
    },
    close() {
      isClosed = true;
      subscription.unsubscribe();
    },
  };
}

function toldOn(subject: string, body: Uint8Array, heardMs: number): Told {
  const appliance = subject.split('.').at(-1) ?? '';
  try {
    return { appliance, heardMs, word: readStatus(appliance, body) };
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    return { appliance, heardMs, word: error.problem };
  }
}

/** What a status says. Throws STATUS_INVALID. */
export function readStatus(appliance: string, body: Uint8Array): HostWord {
  if (!NAME_PATTERN.test(appliance)) throw invalid('expected the name of an appliance in the subject');
  if (body.length > FLEET_STATUS_BYTES_MAX)
    throw invalid(`expected up to ${FLEET_STATUS_BYTES_MAX} bytes, found ${body.length}`);
  const status = objectIn(parsed(body), 'a status');
  if (status.schema !== 1) throw invalid('schema: expected 1');
  if (status.appliance !== appliance) throw invalid('appliance: expected the one of the subject');
  return {
    filters: byName(status.filters, 'filters', (filter, where) => ({
      running: textIn(filter.running, `${where}.running`),
      state: textIn(filter.state, `${where}.state`),
      dead: countIn(filter.dead, `${where}.dead`),
      letters: filter.dead_letters === undefined ? 0 : countIn(filter.dead_letters, `${where}.dead_letters`),
    })),
    fleet: status.fleet === undefined ? undefined : fleetIn(objectIn(status.fleet, 'fleet')),
  };
}

function fleetIn({ group, sources, serial, stale, error, runs, attempted, audit }: Json): FleetWord {
  const { seq, digest } = objectIn(audit, 'fleet.audit');
  if (typeof group !== 'string' || !NAME_PATTERN.test(group)) throw invalid('fleet.group: expected a name');
  const rollouts = entriesIn(runs, 'fleet.runs').map(([filter, rollout]): [string, string] => [
    filter,
    textIn(rollout, `fleet.runs.${filter}`),
  ]);
  return {
    group,
    sources: sources === undefined ? undefined : namesIn(sources, 'fleet.sources'),
    serial: countIn(serial, 'fleet.serial'),
    stale: stale === null ? undefined : textIn(stale, 'fleet.stale'),
    error: error === null ? undefined : textIn(error, 'fleet.error'),
    runs: new Map(rollouts),
    attempted: byName(attempted, 'fleet.attempted', (attempt, where) => ({
      version: textIn(attempt.version, `${where}.version`),
      rollout: textIn(attempt.rollout, `${where}.rollout`),
      state: textIn(attempt.state, `${where}.state`),
      reason: textIn(attempt.reason, `${where}.reason`),
    })),
    audit: { seq: countIn(seq, 'fleet.audit.seq'), digest: textIn(digest, 'fleet.audit.digest') },
  };
}

function invalid(problem: string): WeirError {
  return new WeirError('STATUS_INVALID', problem);
}

type Json = Readonly<Record<string, unknown>>;

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw invalid('expected JSON, found something else');
  }
}

function objectIn(value: unknown, where: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw invalid(`${where}: expected an object`);
}

function namesIn(value: unknown, where: string): string[] {
  const isList = Array.isArray(value) && value.length <= SOURCES_MAX;
  if (isList && value.every((name) => typeof name === 'string' && NAME_PATTERN.test(name))) return value;
  throw invalid(`${where}: expected up to ${SOURCES_MAX} names`);
}

/** What is there by the name of a filter. */
function entriesIn(value: unknown, where: string): [string, unknown][] {
  const entries = Object.entries(objectIn(value, where));
  if (entries.length > FILTERS_MAX) throw invalid(`${where}: expected up to ${FILTERS_MAX} filters`);
  if (!entries.every(([name]) => NAME_PATTERN.test(name)))
    throw invalid(`${where}: expected names of filters`);
  return entries;
}

function byName<T>(
  value: unknown,
  where: string,
  read: (item: Json, where: string) => T,
): ReadonlyMap<string, T> {
  const each = ([name, item]: [string, unknown]): [string, T] => {
    const place = `${where}.${name}`;
    return [name, read(objectIn(item, place), place)];
  };
  return new Map(entriesIn(value, where).map(each));
}

function textIn(value: unknown, where: string): string {
  if (typeof value === 'string') return value.slice(0, STATUS_TEXT_CHARACTERS_MAX);
  throw invalid(`${where}: expected a text`);
}

function countIn(value: unknown, where: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw invalid(`${where}: expected a whole number`);
}
