/**
 * The config, `weir.json`: read, checked, and brought into one form, with numbers that have units and paths that are
 * absolute.
 *
 * Unknown keys are errors, so that a misspelt option never silently does nothing. Every error names the file, the
 * key's path, what was expected and what was found, and never a password.
 */
import { accessSync, constants } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import * as v from 'valibot';
import {
  isAddress,
  isArgument,
  isRecords,
  isShare,
  readInterval,
  readKeep,
  readSpool,
} from './configvalues.js';
import { type NatsConfig, natsSchema } from './confignats.js';
import { WeirError } from './errors.js';
import {
  CONFIG_BYTES_MAX,
  CONFIG_LIST_MAX,
  FILTER_CONFIG_BYTES_MAX,
  FILTERS_MAX,
  MEMORY_BYTES_DEFAULT,
  CPU_SHARE_DEFAULT,
  DISK_FREE_BYTES_DEFAULT,
  PROCESSES_EVERY_MS_DEFAULT,
  SOURCES_MAX,
  SPOOL_BYTES_DEFAULT,
} from './limits.js';
import { type FleetConfig, fleetOf, fleetSchema } from './configfleet.js';
import { isTimezone } from './timezone.js';
import {
  check,
  list,
  mismatch,
  name,
  named,
  object,
  pathOf,
  plainObject,
  readJson,
  readSize,
  text,
  textAs,
} from './validate.js';

export type { NatsConfig };

export interface Config {
  /** Id of this appliance: the subject's token. */
  readonly appliance: string;
  /** Folder for positions and the host's own broker. */
  readonly data: string;
  /** Where the inboxes of sources that cannot be read again lie; absent: on a tmpfs, where there is one. */
  readonly inboxes?: string;
  /** Absent: the host starts a broker of its own. */
  readonly nats?: NatsConfig;
  readonly sources: readonly SourceConfig[];
  readonly filters: readonly FilterConfig[];
  readonly limits: LimitsConfig;
  readonly disk: DiskConfig;
  /** Absent: this machine is in no fleet. */
  readonly fleet?: FleetConfig;
}

/** How the data folder is used. */
export interface DiskConfig {
  /** When what is written there is made safe from a loss of power: never by us, once a second, or before it is published. */
  readonly sync: 'none' | 'interval' | 'always';
  /** What its file system keeps for everybody else. */
  readonly freeBytes: number;
  /** How long messages that the broker has acknowledged are kept, to send them again should it lose them. */
  readonly keepMs: number;
}

export interface LimitsConfig {
  /** The whole process. */
  readonly memoryBytes: number;
  /** Messages on disk that wait for the broker, and what is needed to go on after a kill. */
  readonly spoolBytes: number;
  /** Records of each stream that go through in a second; absent: all. */
  readonly recordsMax?: number;
  /** The host's share of the processor, in cores. */
  readonly cpu: number;
}

export type SourceConfig = { readonly name: string } & SourceKind;

type SourceKind =
  | { readonly kind: 'file'; readonly paths: readonly string[] }
  | { readonly kind: 'watch'; readonly roots: readonly string[] }
  | { readonly kind: 'command'; readonly argv: readonly string[] }
  | { readonly kind: 'syslog'; readonly udp?: string; readonly tcp?: string }
  | { readonly kind: 'processes'; readonly everyMs: number }
  | { readonly kind: 'stdin' };

export interface FilterConfig {
  /** The name in the config: the subject's token. */
  readonly instance: string;
  /** The filter's own name. */
  readonly filter: string;
  readonly from: readonly string[];
  readonly timezone: string;
  readonly format: 'cbor' | 'ndjson';
  /** The filter's own settings, as JSON; the filter checks them. */
  readonly config: unknown;
}

/** What defaults depend on, so that tests can choose it. */
export interface MachineFacts {
  readonly hostname: string;
  /** Absent where the system has no users. */
  readonly uid: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absent for a user without one, as in many containers. */
  readonly home: string | undefined;
  /** The zone in which this machine's own logs are written. */
  readonly timezone: string;
  readonly canRead: (path: string) => boolean;
}

const DEFAULT_SYSLOG = '127.0.0.1:5514';
export const DEFAULT_LOGS = ['/var/log/auth.log', '/var/log/secure', '/var/log/messages', '/var/log/syslog'];

/** Reads the config at `configPath`. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export function loadConfig(configPath: string): Config {
  const codes = { unreadable: 'CONFIG_UNREADABLE', invalid: 'CONFIG_INVALID' } as const;
  return parseConfig(readJson(configPath, CONFIG_BYTES_MAX, codes), configPath);
}

/** Checks a config; `where` names it in errors, and relative paths in it are relative to its folder. */
export function parseConfig(value: unknown, where: string, facts: MachineFacts = machineFacts()): Config {
  const parsed = check('CONFIG_INVALID', where, configSchema(dirname(where)), value);
  return {
    appliance: parsed.appliance ?? applianceName(facts.hostname),
    data: parsed.data ?? dataFolder(facts),
    ...(parsed.inboxes === undefined ? {} : { inboxes: parsed.inboxes }),
    ...(parsed.nats ? { nats: parsed.nats } : {}),
    sources: parsed.sources.map(([sourceName, source]) => ({ name: sourceName, ...source })),
    filters: parsed.filters.map(([instance, { filter, from, timezone, format, config }]) => ({
      instance,
      filter: filter ?? instance,
      from,
      timezone: timezone ?? 'UTC',
      format: format ?? 'cbor',
      config: config ?? {},
    })),
    limits: limitsOf(parsed.limits),
    disk: diskOf(parsed.disk ?? {}),
    ...(parsed.fleet ? { fleet: fleetOf(parsed.fleet) } : {}),
  };
}

/** What runs without a config: the usual logs that this user may read, syslog on loopback, changes below /etc, new processes. */
export function defaultConfig(facts: MachineFacts): Config {
  const logs = DEFAULT_LOGS.filter(facts.canRead);
  const file: SourceConfig[] = logs.length ? [{ name: 'auth', kind: 'file', paths: logs }] : [];
  const shared = { timezone: facts.timezone, format: 'cbor' as const, config: {} };
  const from = [...file.map((source) => source.name), 'syslog'];
  const hasProc = facts.canRead('/proc/self/stat');
  const processes: SourceConfig = {
    name: 'processes',
    kind: 'processes',
    everyMs: PROCESSES_EVERY_MS_DEFAULT,
  };
  return {
    appliance: applianceName(facts.hostname),
    data: dataFolder(facts),
    sources: [
      { name: 'etc', kind: 'watch', roots: ['/etc'] },
      ...file,
      { name: 'syslog', kind: 'syslog', udp: DEFAULT_SYSLOG, tcp: DEFAULT_SYSLOG },
      ...(hasProc ? [processes] : []),
    ],
    filters: [
      { instance: 'ssh-auth', filter: 'ssh-auth', from, ...shared },
      { instance: 'ssh-attempts', filter: 'ssh-attempts', from, ...shared },
      { instance: 'files', filter: 'files', from: ['etc'], ...shared },
      { instance: 'tripwire', filter: 'tripwire', from, ...shared },
      ...(hasProc ? [{ instance: 'processes', filter: 'processes', from: ['processes'], ...shared }] : []),
    ],
    limits: limitsOf({}),
    disk: diskOf({}),
  };
}

function limitsOf({
  memory,
  spool,
  cpu,
  records,
}: {
  memory?: number;
  spool?: number;
  cpu?: number;
  records?: number;
} = {}): LimitsConfig {
  return {
    memoryBytes: memory ?? MEMORY_BYTES_DEFAULT,
    spoolBytes: spool ?? SPOOL_BYTES_DEFAULT,
    cpu: cpu ?? CPU_SHARE_DEFAULT,
    ...(records === undefined ? {} : { recordsMax: records }),
  };
}

function diskOf({
  sync,
  free,
  keep,
}: {
  sync?: DiskConfig['sync'];
  free?: number;
  keep?: number;
}): DiskConfig {
  return { sync: sync ?? 'interval', freeBytes: free ?? DISK_FREE_BYTES_DEFAULT, keepMs: keep ?? 0 };
}

export function machineFacts(): MachineFacts {
  let home: string | undefined;
  try {
    home = homedir();
  } catch {
    // A user whom the system does not know, without $HOME: no folder can be guessed.
  }
  const facts = { hostname: hostname(), uid: process.getuid?.(), env: process.env, home, canRead };
  // Asked for only where there is no config, and it takes 8 ms.
  return {
    ...facts,
    get timezone() {
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
      return isTimezone(timeZone) ? timeZone : 'UTC';
    },
  };
}

function canRead(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

export function defaultDataFolder(): string {
  return dataFolder(machineFacts());
}

/** `/var/lib/weir` for root, else below the user's state folder (XDG Base Directory Specification). */
function dataFolder({ uid, env, home }: MachineFacts): string {
  if (uid === 0) return '/var/lib/weir';
  const state = env.XDG_STATE_HOME ?? '';
  // "If an implementation encounters a relative path in any of these variables it should [...] ignore it."
  if (isAbsolute(state)) return join(state, 'weir');
  if (home) return join(home, '.local/state/weir');
  throw new WeirError('DATA_UNWRITABLE', 'data: expected a folder, found none: this user has no home folder');
}

/** A host name made into a name that can be a subject's token. */
function applianceName(host: string): string {
  return host.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 63) || 'appliance';
}

const NO_FILTERS = `expected 1 to ${FILTERS_MAX} filters, or "fleet", which assigns some, found none`;

/** The shape of the config; `folder` is what its relative paths are relative to. */
function configSchema(folder: string) {
  const path = v.pipe(
    text('a path', (value) => value !== '' && !value.includes('\0')),
    v.transform((found) => resolve(folder, found)),
  );
  const optionalPath = v.exactOptional(path);
  const filter = object({
    filter: v.exactOptional(name()),
    from: list('a list of source names', name(), 1, SOURCES_MAX),
    timezone: v.exactOptional(text('a zone such as "Europe/Berlin"', isTimezone)),
    format: v.exactOptional(v.picklist(['cbor', 'ndjson'], '"cbor" or "ndjson"')),
    config: v.exactOptional(v.pipe(plainObject('an object'), v.rawCheck(checkSize))),
  });
  const limits = object({
    memory: v.exactOptional(textAs('a size such as "192MiB"', readSize)),
    spool: v.exactOptional(textAs('a size from 1MiB to 64GiB, such as "64MiB"', readSpool)),
    cpu: v.exactOptional(v.custom<number>(isShare, 'a number of cores from 0.01 to 64, such as 0.25')),
    records: v.exactOptional(
      v.custom<number>(isRecords, 'a whole number from 1 to 1000000, of records a second and stream'),
    ),
  });
  const disk = object({
    sync: v.exactOptional(v.picklist(['none', 'interval', 'always'], '"none", "interval" or "always"')),
    free: v.exactOptional(textAs('a size such as "64MiB"', readSize)),
    keep: v.exactOptional(textAs('a time up to 24h, such as "5m"', readKeep)),
  });
  const whole = object({
    appliance: v.exactOptional(name()),
    data: optionalPath,
    inboxes: optionalPath,
    nats: v.exactOptional(natsSchema(path)),
    sources: named('sources', sourceSchema(path), 1, SOURCES_MAX),
    filters: v.exactOptional(named('filters', filter, 0, FILTERS_MAX), {}),
    limits: v.exactOptional(limits),
    disk: v.exactOptional(disk),
    fleet: v.exactOptional(fleetSchema(path)),
  });
  return v.pipe(
    whole,
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      if (dataset.value.filters.length === 0 && !dataset.value.fleet)
        addIssue({ message: NO_FILTERS, path: pathOf('filters') });
      const known = dataset.value.sources.map(([source]) => source);
      for (const [instance, { from }] of dataset.value.filters) {
        const missing = from.find((wanted) => !known.includes(wanted));
        if (missing === undefined) continue;
        const expected = `names of sources (${known.slice(0, 8).join(', ')}${known.length > 8 ? ', ...' : ''})`;
        addIssue({ message: mismatch(expected, missing), path: pathOf('filters', instance, 'from') });
      }
    }),
  );
}

/** A source has one of the keys; which one it is, is its kind. */
function sourceSchema(path: v.GenericSchema<string, string>) {
  const address = v.exactOptional(text('an address such as "127.0.0.1:5514"', isAddress));
  const program = 'a list of a program and its arguments';
  const kinds = object({
    file: v.exactOptional(
      v.union([path, list('paths', path, 1, CONFIG_LIST_MAX)], 'a path or a list of paths'),
    ),
    watch: v.exactOptional(list('a list of folders', path, 1, CONFIG_LIST_MAX)),
    command: v.exactOptional(
      v.pipe(
        list(program, text('a text without NUL', isArgument), 1, CONFIG_LIST_MAX),
        v.check(([first]) => first !== '', program),
      ),
    ),
    syslog: v.exactOptional(
      v.pipe(
        object({ udp: address, tcp: address }),
        v.check((found) => Object.keys(found).length > 0, 'an address for udp, tcp or both'),
      ),
    ),
    processes: v.exactOptional(
      v.union(
        [v.literal(true), object({ every: textAs('a time from 500ms to 60s, such as "2s"', readInterval) })],
        'true, or an object such as {"every":"2s"}, with a time from 500ms to 60s',
      ),
    ),
    stdin: v.exactOptional(v.literal(true, 'true')),
  });
  return v.pipe(
    kinds,
    v.rawTransform<v.InferOutput<typeof kinds>, SourceKind>(({ dataset, addIssue, NEVER }) => {
      const { file, watch, command, syslog, processes, stdin } = dataset.value;
      const found = Object.keys(dataset.value);
      if (found.length === 1) {
        if (file) return { kind: 'file', paths: typeof file === 'string' ? [file] : file };
        if (watch) return { kind: 'watch', roots: watch };
        if (command) return { kind: 'command', argv: command };
        if (syslog) return { kind: 'syslog', ...syslog };
        if (processes === true) return { kind: 'processes', everyMs: PROCESSES_EVERY_MS_DEFAULT };
        if (processes) return { kind: 'processes', everyMs: processes.every };
        if (stdin) return { kind: 'stdin' };
      }
      const expected = 'exactly one of the keys file, watch, command, syslog, processes and stdin';
      addIssue({ message: `expected ${expected}, found ${found.join(' and ') || 'none'}` });
      return NEVER;
    }),
  );
}

function checkSize({ dataset, addIssue }: v.RawCheckContext<object>): void {
  if (!dataset.typed) return;
  let bytes: number | string;
  try {
    bytes = Buffer.byteLength(JSON.stringify(dataset.value));
  } catch {
    bytes = 'one nested too deeply';
  }
  if (typeof bytes === 'string' || bytes > FILTER_CONFIG_BYTES_MAX) {
    addIssue({ message: `expected a config of up to ${FILTER_CONFIG_BYTES_MAX} bytes, found ${bytes}` });
  }
}
