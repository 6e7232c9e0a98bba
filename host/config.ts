/**
 * The config, `weir.json`: read, checked, and brought into one form, with numbers that have units.
 *
 * Unknown keys are errors, so that a misspelt option never silently does nothing. Every error names the file, the
 * key's path, what was expected and what was found.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import { oneLine, WeirError } from './errors.js';
import {
  CONFIG_BYTES_MAX,
  FILTER_CONFIG_BYTES_MAX,
  FILTERS_MAX,
  FILTERS_MEMORY_BYTES_DEFAULT,
  SOURCES_MAX,
} from './limits.js';
import { isTimezone } from './timezone.js';
import { check, list, object, readSize, text, textAs } from './validate.js';
import { NAME_PATTERN } from './wire.js';

export interface Config {
  /** Id of this appliance: the subject's token. */
  readonly appliance: string;
  /** Folder for positions and the host's own broker. */
  readonly data: string;
  /** Absent: the host starts a broker of its own. */
  readonly nats?: NatsConfig;
  readonly sources: readonly SourceConfig[];
  readonly filters: readonly FilterConfig[];
  readonly limits: { readonly memoryBytes: number };
}

export interface NatsConfig {
  readonly servers: readonly string[];
  /** Path of a NATS credentials file. */
  readonly creds?: string;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export type SourceConfig = { readonly name: string } & (
  | { readonly kind: 'file'; readonly paths: readonly string[] }
  | { readonly kind: 'watch'; readonly roots: readonly string[] }
  | { readonly kind: 'command'; readonly argv: readonly string[] }
  | { readonly kind: 'syslog'; readonly udp?: string; readonly tcp?: string }
  | { readonly kind: 'stdin' }
);

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

/** What a default config depends on, so that tests can choose it. */
export interface MachineFacts {
  readonly hostname: string;
  readonly dataFolder: string;
  readonly exists: (path: string) => boolean;
}

const DEFAULT_SYSLOG = '127.0.0.1:5514';
const DEFAULT_LOGS = ['/var/log/auth.log', '/var/log/secure', '/var/log/messages', '/var/log/syslog'];

const name = text('a name of 1 to 63 letters, digits, _ and -', (value) => NAME_PATTERN.test(value));
const path = text('a path');
const address = text('an address such as "127.0.0.1:5514"', isAddress);
const strings = (expected: string) => list(expected, text(expected), 1, 64);
const server = text('a URL such as "nats://127.0.0.1:4222"', (value) =>
  /^(nats|tls):\/\/[^\s]+$/.test(value),
);

const SOURCE_KINDS = {
  file: v.optional(v.union([path, strings('a path or a list of paths')], 'a path or a list of paths')),
  watch: v.optional(strings('a list of folders')),
  command: v.optional(strings('a list of a program and its arguments')),
  syslog: v.optional(object({ udp: v.optional(address), tcp: v.optional(address) })),
  stdin: v.optional(v.literal(true, 'true')),
};

const Schema = object({
  appliance: v.optional(name),
  data: v.optional(path),
  nats: v.optional(
    object({
      servers: list('a list of NATS URLs', server, 1, 16),
      creds: v.optional(path),
      tls: v.optional(object({ ca: v.optional(path), cert: v.optional(path), key: v.optional(path) })),
    }),
  ),
  sources: v.pipe(
    v.record(name, object(SOURCE_KINDS), 'an object of sources by name'),
    v.check((sources) => Object.keys(sources).length <= SOURCES_MAX, `up to ${SOURCES_MAX} sources`),
  ),
  filters: v.pipe(
    v.record(
      name,
      object({
        filter: v.optional(name),
        from: list('a list of source names', name, 1, SOURCES_MAX),
        timezone: v.optional(text('a zone such as "Europe/Berlin"', isTimezone)),
        format: v.optional(v.picklist(['cbor', 'ndjson'], '"cbor" or "ndjson"')),
        config: v.optional(v.record(v.string(), v.unknown(), 'an object')),
      }),
      'an object of filters by name',
    ),
    v.check((filters) => Object.keys(filters).length > 0, 'at least one filter'),
    v.check((filters) => Object.keys(filters).length <= FILTERS_MAX, `up to ${FILTERS_MAX} filters`),
  ),
  limits: v.optional(object({ memory: v.optional(textAs('a size such as "96MiB"', readSize)) })),
});

/** Reads the config at `configPath`. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export function loadConfig(configPath: string): Config {
  let content: string;
  try {
    const { size } = statSync(configPath);
    if (size > CONFIG_BYTES_MAX) throw new Error(`expected up to ${CONFIG_BYTES_MAX} bytes, found ${size}`);
    content = readFileSync(configPath, 'utf8');
  } catch (error) {
    throw new WeirError('CONFIG_UNREADABLE', `${configPath}: ${oneLine(error)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new WeirError(
      'CONFIG_INVALID',
      `${configPath}: expected JSON, found ${jsonProblem(content, error)}`,
    );
  }
  return parseConfig(value, configPath);
}

/** Checks a config; `where` names it in errors, and relative paths in it are relative to its folder. */
export function parseConfig(value: unknown, where: string): Config {
  const parsed = check('CONFIG_INVALID', where, Schema, value);
  const absolute = (found: string) => resolve(dirname(where), found);
  const sources = Object.entries(parsed.sources).map(([sourceName, source]) =>
    toSource(where, sourceName, source, absolute),
  );
  const filters = Object.entries(parsed.filters).map(([instance, filter]) => ({
    instance,
    filter: filter.filter ?? instance,
    from: filter.from,
    timezone: filter.timezone ?? 'UTC',
    format: filter.format ?? ('cbor' as const),
    config: filter.config ?? {},
  }));
  checkFilters(where, filters, sources);
  return {
    appliance: parsed.appliance ?? applianceName(hostname()),
    data: parsed.data === undefined ? defaultDataFolder() : absolute(parsed.data),
    ...(parsed.nats ? { nats: toNats(parsed.nats, absolute) } : {}),
    sources,
    filters,
    limits: { memoryBytes: parsed.limits?.memory ?? FILTERS_MEMORY_BYTES_DEFAULT },
  };
}

/** What runs without a config: the usual logs, syslog on loopback, and changes below /etc. */
export function defaultConfig(facts: MachineFacts): Config {
  const logs = DEFAULT_LOGS.filter(facts.exists);
  const file: SourceConfig[] = logs.length ? [{ name: 'auth', kind: 'file', paths: logs }] : [];
  const shared = { timezone: 'UTC', format: 'cbor' as const, config: {} };
  return {
    appliance: applianceName(facts.hostname),
    data: facts.dataFolder,
    sources: [
      { name: 'etc', kind: 'watch', roots: ['/etc'] },
      ...file,
      { name: 'syslog', kind: 'syslog', udp: DEFAULT_SYSLOG, tcp: DEFAULT_SYSLOG },
    ],
    filters: [
      {
        instance: 'ssh-auth',
        filter: 'ssh-auth',
        from: [...file.map((source) => source.name), 'syslog'],
        ...shared,
      },
      { instance: 'files', filter: 'files', from: ['etc'], ...shared },
    ],
    limits: { memoryBytes: FILTERS_MEMORY_BYTES_DEFAULT },
  };
}

export function machineFacts(): MachineFacts {
  return { hostname: hostname(), dataFolder: defaultDataFolder(), exists: existsSync };
}

/** `/var/lib/weir` for root, else below the user's state folder (XDG Base Directory Specification). */
export function defaultDataFolder(): string {
  if (process.getuid?.() === 0) return '/var/lib/weir';
  return join(process.env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'weir');
}

/** A host name made into a name that can be a subject's token. */
export function applianceName(host: string): string {
  return host.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 63) || 'appliance';
}

type ParsedSource = v.InferOutput<ReturnType<typeof object<typeof SOURCE_KINDS>>>;

function toSource(
  where: string,
  sourceName: string,
  source: ParsedSource,
  absolute: (path: string) => string,
): SourceConfig {
  const wrong = (found: string) =>
    new WeirError(
      'CONFIG_INVALID',
      `${where}: sources.${sourceName}: expected one of file, watch, command, syslog, stdin, found ${found}`,
    );
  const kinds = Object.keys(source);
  if (kinds.length !== 1) throw wrong(kinds.join(' and ') || 'nothing');
  const { file, watch, command, syslog, stdin } = source;
  if (file !== undefined) {
    return {
      name: sourceName,
      kind: 'file',
      paths: (typeof file === 'string' ? [file] : file).map(absolute),
    };
  }
  if (watch) return { name: sourceName, kind: 'watch', roots: watch.map(absolute) };
  if (command) return { name: sourceName, kind: 'command', argv: command };
  if (stdin) return { name: sourceName, kind: 'stdin' };
  const { udp, tcp } = syslog ?? {};
  if (udp === undefined && tcp === undefined) throw wrong('syslog without udp and tcp');
  return {
    name: sourceName,
    kind: 'syslog',
    ...(udp === undefined ? {} : { udp }),
    ...(tcp === undefined ? {} : { tcp }),
  };
}

function toNats(
  nats: NonNullable<v.InferOutput<typeof Schema>['nats']>,
  absolute: (path: string) => string,
): NatsConfig {
  const { ca, cert, key } = nats.tls ?? {};
  const tls = {
    ...(ca === undefined ? {} : { ca: absolute(ca) }),
    ...(cert === undefined ? {} : { cert: absolute(cert) }),
    ...(key === undefined ? {} : { key: absolute(key) }),
  };
  return {
    servers: nats.servers,
    ...(nats.creds === undefined ? {} : { creds: absolute(nats.creds) }),
    ...(nats.tls ? { tls } : {}),
  };
}

/** What the schema cannot say: names that refer to others, and the size of a filter's config. */
function checkFilters(
  where: string,
  filters: readonly FilterConfig[],
  sources: readonly SourceConfig[],
): void {
  const known = sources.map((source) => source.name);
  for (const { instance, from, config } of filters) {
    const missing = from.find((wanted) => !known.includes(wanted));
    if (missing !== undefined) {
      throw new WeirError(
        'CONFIG_INVALID',
        `${where}: filters.${instance}.from: expected names of sources (${known.join(', ') || 'there are none'}), found "${missing}"`,
      );
    }
    const bytes = Buffer.byteLength(JSON.stringify(config));
    if (bytes > FILTER_CONFIG_BYTES_MAX) {
      throw new WeirError(
        'CONFIG_INVALID',
        `${where}: filters.${instance}.config: expected up to ${FILTER_CONFIG_BYTES_MAX} bytes, found ${bytes}`,
      );
    }
  }
}

function isAddress(value: string): boolean {
  const port = /^(?:\[[0-9A-Fa-f:.]+\]|[^\s:[\]]+):(\d{1,5})$/.exec(value)?.[1];
  return port !== undefined && Number(port) <= 65_535;
}

/** Where JSON ends to be JSON: Node names the position; a person wants line and column. */
function jsonProblem(content: string, error: unknown): string {
  const message = oneLine(error);
  const position = /position (\d+)/.exec(message)?.[1];
  if (position === undefined) return message;
  const before = content.slice(0, Number(position)).split('\n');
  return `a mistake in line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
}
