/**
 * The config: what it means, what is refused and with which words, and that no damaged one does anything else.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../host/config.js';
import { WeirError } from '../host/errors.js';
import {
  CONFIG_LIST_MAX,
  CPU_SHARE_DEFAULT,
  FILTER_CONFIG_BYTES_MAX,
  FILTERS_MAX,
  MEMORY_BYTES_DEFAULT,
  SERVERS_MAX,
  SOURCES_MAX,
  DISK_FREE_BYTES_DEFAULT,
  SPOOL_BYTES_DEFAULT,
} from '../host/limits.js';
import { seeded } from './filter.js';
import { FACTS, parse, problem, SOURCES } from './configs.js';

/** The example of the design. */
const DESIGN = `{ "appliance": "fw-01",
  "data": "/var/lib/weir",
  "nats": { "servers": ["nats://127.0.0.1:4222"], "creds": "/etc/weir/fw-01.creds" },
  "sources": {
    "auth":    { "file": "/var/log/auth.log" },
    "syslog":  { "syslog": { "udp": "127.0.0.1:5514", "tcp": "127.0.0.1:5514" } },
    "etc":     { "watch": ["/etc"] },
    "journal": { "command": ["journalctl", "-f", "-o", "json"] },
    "in":      { "stdin": true } },
  "filters": {
    "ssh-auth": { "from": ["auth", "syslog"], "timezone": "UTC" },
    "vpn":      { "filter": "json-select", "from": ["in"], "format": "ndjson",
                  "config": { "where": [ { "field": "program", "equals": "charon" },
                                         { "field": "action", "in": ["up", "down"] } ],
                              "keep": ["ts", "user", "src_ip"],
                              "count_by": ["user"], "window": "60s" } } },
  "limits": { "memory": "96MiB", "cpu": 0.25, "spool": "64MiB" } }`;

test('the example of the design means what it says', () => {
  assert.equal(parseConfig(JSON.parse(DESIGN), 'weir.json', FACTS), {
    appliance: 'fw-01',
    data: '/var/lib/weir',
    nats: { servers: ['nats://127.0.0.1:4222'], creds: '/etc/weir/fw-01.creds' },
    sources: [
      { name: 'auth', kind: 'file', paths: ['/var/log/auth.log'] },
      { name: 'syslog', kind: 'syslog', udp: '127.0.0.1:5514', tcp: '127.0.0.1:5514' },
      { name: 'etc', kind: 'watch', roots: ['/etc'] },
      { name: 'journal', kind: 'command', argv: ['journalctl', '-f', '-o', 'json'] },
      { name: 'in', kind: 'stdin' },
    ],
    filters: [
      {
        instance: 'ssh-auth',
        filter: 'ssh-auth',
        from: ['auth', 'syslog'],
        timezone: 'UTC',
        format: 'cbor',
        config: {},
      },
      {
        instance: 'vpn',
        filter: 'json-select',
        from: ['in'],
        timezone: 'UTC',
        format: 'ndjson',
        config: JSON.parse(DESIGN).filters.vpn.config,
      },
    ],
    limits: { memoryBytes: 96 * 1024 * 1024, spoolBytes: 64 * 1024 * 1024, cpu: 0.25 },
    disk: { sync: 'interval', freeBytes: 64 * 1024 * 1024, keepMs: 0 },
  });
});

test('what is left out has a default', () => {
  const config = parse({});
  assert.is(config.appliance, 'fw-example-com');
  assert.is(config.data, '/home/weir/.local/state/weir');
  assert.equal([config.nats, config.inboxes], [undefined, undefined]);
  assert.equal(config.limits, {
    memoryBytes: MEMORY_BYTES_DEFAULT,
    spoolBytes: SPOOL_BYTES_DEFAULT,
    cpu: CPU_SHARE_DEFAULT,
  });
  assert.equal(config.disk, { sync: 'interval', freeBytes: DISK_FREE_BYTES_DEFAULT, keepMs: 0 });
});

test('relative paths are relative to the folder of the config', () => {
  const config = parse(
    {
      data: 'state',
      inboxes: 'run',
      nats: {
        servers: ['tls://b:4222'],
        creds: './b.creds',
        tls: { ca: 'ca.pem', key: '/k.pem' },
        domain: 'hub',
      },
      sources: {
        auth: { file: ['logs/*.log', '/abs.log'] },
        dir: { watch: ['../etc'] },
        run: { command: ['sh'] },
      },
    },
    '/srv/weir/weir.json',
  );
  assert.is(config.data, '/srv/weir/state');
  assert.is(config.inboxes, '/srv/weir/run');
  assert.equal(config.nats, {
    servers: ['tls://b:4222'],
    creds: '/srv/weir/b.creds',
    tls: { ca: '/srv/weir/ca.pem', key: '/k.pem' },
    domain: 'hub',
  });
  const nkey = parse({ nats: { servers: ['tls://b'], nkey: 'b.nk' } }, '/srv/weir/weir.json').nats;
  assert.equal(nkey, { servers: ['tls://b'], nkey: '/srv/weir/b.nk' });
  assert.equal(config.sources, [
    { name: 'auth', kind: 'file', paths: ['/srv/weir/logs/*.log', '/abs.log'] },
    { name: 'dir', kind: 'watch', roots: ['/srv/etc'] },
    { name: 'run', kind: 'command', argv: ['sh'] },
  ]);
});

/** What is wrong, and the line that says so. */
const REFUSED = `
{"nats":{"servers":["nats://a"],"creds":"a","nkey":"b"}}
  nats: expected one of the keys creds and nkey, found both
{"filters":{"ssh-auth":{"from":"auth"}}}
  filters.ssh-auth.from: expected a list of source names, found "auth" (a string)
{"filters":{"x":{"from":["auth","nothing"]}}}
  filters.x.from: expected names of sources (auth), found "nothing" (a string)
{"filters":{"x":{"from":[]}}}
  filters.x.from: expected a list of source names (1 to 64 of them), found [] (a list)
{"filters":{"x":{}}}
  filters.x.from: expected a list of source names, found nothing
{"filters":{"x":{"from":["auth"],"timezone":"Europe/Berln"}}}
  filters.x.timezone: expected a zone such as "Europe/Berlin", found "Europe/Berln" (a string)
{"filters":{"x":{"from":["auth"],"timezone":"+01:00"}}}
  filters.x.timezone: expected a zone such as "Europe/Berlin", found "+01:00" (a string)
{"filters":{"x":{"from":["auth"],"format":"json"}}}
  filters.x.format: expected "cbor" or "ndjson", found "json" (a string)
{"filters":{"x":{"from":["auth"],"config":[]}}}
  filters.x.config: expected an object, found [] (a list)
{"filters":[]}
  filters: expected an object of filters by name, found [] (a list)
{"filters":{}}
  filters: expected 1 to 64 filters, or "fleet", which assigns some, found none
{"sources":null}
  sources: expected an object of sources by name, found null
{"sources":{"auth":{}}}
  sources.auth: expected exactly one of the keys file, watch, command, syslog, processes and stdin, found none
{"sources":{"auth":{"file":"a","stdin":true}}}
  sources.auth: expected exactly one of the keys file, watch, command, syslog, processes and stdin, found file and stdin
{"sources":{"auth":{"processes":{"every":"400ms"}}}}
  sources.auth.processes: expected true, or an object such as {"every":"2s"}, with a time from 500ms to 60s, found {"every":"400ms"} (an object)
{"sources":{"auth":{"stdin":false}}}
  sources.auth.stdin: expected true, found false (a boolean)
{"sources":{"auth":{"file":["a",1]}}}
  sources.auth.file: expected a path or a list of paths, found ["a",1] (a list)
{"sources":{"auth":{"watch":"/etc"}}}
  sources.auth.watch: expected a list of folders, found "/etc" (a string)
{"sources":{"auth":{"command":[""]}}}
  sources.auth.command: expected a list of a program and its arguments, found [""] (a list)
{"sources":{"auth":{"syslog":{}}}}
  sources.auth.syslog: expected an address for udp, tcp or both, found {} (an object)
{"data":7}
  data: expected a path, found 7 (a number)
{"inboxes":true}
  inboxes: expected a path, found true (a boolean)
{"limits":{"memory":96}}
  limits.memory: expected a size such as "192MiB", found 96 (a number)
{"limits":{"memory":"9MB"}}
  limits.memory: expected a size such as "192MiB", found "9MB" (a string)
{"limits":[]}
  limits: expected an object with the keys memory, spool, cpu, records, found [] (a list)
{"nats":{"servers":["ws://h:80"]}}
  nats.servers.0: expected a URL such as "nats://127.0.0.1:4222", found "ws://h:80" (a string)
{"nats":{}}
  nats.servers: expected a list of NATS URLs, found nothing`;

test('an error names the file, the key, what was expected and what was found', () => {
  const cases = REFUSED.split('\n{').slice(1);
  assert.is(cases.length, 27);
  for (const refused of cases) {
    const [part, line] = refused.split('\n  ');
    assert.is(problem(JSON.parse(`{${part}`)), line);
  }
});

test('a share of the processor, a spool and records a second are within their bounds', () => {
  for (const cpu of [0.01, 0.25, 1, 64]) assert.is(parse({ limits: { cpu } }).limits.cpu, cpu);
  for (const cpu of [0, -1, 64.5, '0.25', null]) {
    assert.match(
      problem({ limits: { cpu } }),
      /^limits\.cpu: expected a number of cores from 0\.01 to 64, such/,
    );
  }
  for (const records of [1, 1_000_000]) assert.is(parse({ limits: { records } }).limits.recordsMax, records);
  for (const records of [0, 1_000_001, 1.5, '10']) {
    assert.match(
      problem({ limits: { records } }),
      /^limits\.records: expected a whole number from 1 to 1000000, of records a second and stream, found/,
    );
  }
  for (const spool of ['1MiB', '64MiB', '64GiB']) parse({ limits: { spool } });
  for (const spool of ['1023KiB', '65GiB', '64MB', 64]) {
    assert.match(problem({ limits: { spool } }), /^limits\.spool: expected a size from 1MiB to 64GiB/);
  }
});

test('what the disk is to do is understood, and what it cannot is refused', () => {
  const { disk } = parse({ disk: { sync: 'always', free: '1GiB', keep: '5m' } });
  assert.equal(disk, { sync: 'always', freeBytes: 1 << 30, keepMs: 300_000 });
  for (const keep of ['5', '25h', '-1s', 5])
    assert.match(problem({ disk: { keep } }), /^disk\.keep: expected a time up to 24h, such as "5m", found/);
  assert.match(problem({ disk: { sync: 'often' } }), /^disk\.sync: expected "none", "interval" or "always"/);
  assert.match(problem({ disk: { free: 1 } }), /^disk\.free: expected a size such as "64MiB"/);
});

test('names that cannot be a subject token are refused', () => {
  for (const name of ['', 'a b', 'a.b', '*', '>', 'ä', 'x'.repeat(64)]) {
    assert.match(problem({ filters: { [name]: { from: ['auth'] } } }), /^filters\..*: expected a name/);
    assert.match(
      problem({ sources: { ...SOURCES, [name]: { stdin: true } } }),
      /^sources\..*: expected a name/,
    );
    assert.match(problem({ appliance: name }), /^appliance: expected a name/);
  }
});

test('addresses are a host and a port, IPv6 in brackets', () => {
  const syslog = (udp: string) => ({ sources: { auth: { syslog: { udp } } } });
  for (const right of ['127.0.0.1:5514', '[::1]:5514', 'localhost:0', '0.0.0.0:65535']) {
    assert.equal(parse(syslog(right)).sources, [{ name: 'auth', kind: 'syslog', udp: right }]);
  }
  const wrongs = ['', 'a b:1', ...'5514 :5514 ::1:5514 [:::1]:5514 []:1 127.0.0.1 h:65536 h:-1'.split(' ')];
  for (const wrong of wrongs) {
    assert.match(problem(syslog(wrong)), /^sources\.auth\.syslog\.udp: expected an address/, wrong);
  }
});

test('servers are nats:// or tls:// with a host, and nothing that would have no effect', () => {
  const nats = (server: string) => ({ nats: { servers: [server] } });
  for (const right of ['nats://h', 'nats://u:p@h:4222', 'tls://[::1]:4222', 'nats://token@h/']) {
    assert.equal(parse(nats(right)).nats, { servers: [right] });
  }
  const wrongs = 'h:4222 ws://h wss://h http://h nats:// nats://h:99999 nats://h/x nats://h?x nats://%zz@h';
  for (const wrong of [...wrongs.split(' '), 'nats://h ', '']) {
    assert.match(problem(nats(wrong)), /^nats\.servers\.0: expected a URL/, wrong);
  }
});

test('limits hold at their last value and not past it', () => {
  const many = (count: number, item: unknown) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, item]));
  const config = (count: number) => ({
    filters: { x: { from: ['auth'], config: { a: 'x'.repeat(count - 8) } } },
  });
  const server = (count: number) => ({ nats: { servers: Array.from({ length: count }, () => 'nats://h') } });
  const argv = (count: number) => ({
    sources: { auth: { command: Array.from({ length: count }, () => 'x') } },
  });
  const filters = (count: number) => ({ filters: many(count, { from: ['auth'] }) });
  const sources = (count: number) => ({ sources: { ...many(count - 1, { stdin: true }), ...SOURCES } });
  const lasts: readonly (readonly [(count: number) => object, number])[] = [
    [filters, FILTERS_MAX],
    [sources, SOURCES_MAX],
    [config, FILTER_CONFIG_BYTES_MAX],
    [server, SERVERS_MAX],
    [argv, CONFIG_LIST_MAX],
  ];
  for (const [part, last] of lasts) {
    parse(part(last));
    assert.match(problem(part(last + 1)), /: expected .*, found /);
  }
  assert.is(
    problem({ filters: many(FILTERS_MAX + 1, {}) }).split(' (and ')[0],
    'filters: expected 0 to 64 filters, found 65',
  );
  assert.is(
    problem(config(FILTER_CONFIG_BYTES_MAX + 1)),
    'filters.x.config: expected a config of up to 8192 bytes, found 8193',
  );
});

test("a filter's config is handed on as it is", () => {
  const text = '{"__proto__":1,"constructor":{"a":[null,1.5,"x"]},"10":true}';
  const value = JSON.parse(
    `{"sources":{"auth":{"stdin":true}},"filters":{"x":{"from":["auth"],"config":${text}}}}`,
  );
  const expected = JSON.stringify(JSON.parse(text));
  assert.is(JSON.stringify(parseConfig(value, 'weir.json', FACTS).filters[0]?.config), expected);
});

const JUNK: readonly unknown[] =
  JSON.parse(`[null, true, false, 0, -1, 1.5, 1e300, "", "x", "a\\nb", "__proto__",
  "${'x'.repeat(9000)}", [], ["x"], [[]], [null], {}, {"x": 1}, {"file": "x"}]`);
const JUNK_KEYS: readonly string[] =
  JSON.parse(`["", "x", "a b", "a\\nb", "__proto__", "constructor", "file", "from",
  "stdin", "0", "\u00e9", "${'k'.repeat(100)}"]`);

/** Every object and list in a value, the outermost first. */
function containers(value: unknown): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value as Record<string, unknown>, ...Object.values(value).flatMap(containers)];
}

function mutate(value: unknown, random: (below: number) => number): void {
  const all = containers(value);
  const container = all[random(all.length)] ?? {};
  const keys = Object.keys(container);
  const key = keys[random(Math.max(keys.length, 1))];
  const junk = structuredClone(JUNK[random(JUNK.length)]);
  const put = (at: string) =>
    Object.defineProperty(container, at, {
      value: junk,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  const operation = random(3);
  if (operation === 0 && key !== undefined) Reflect.deleteProperty(container, key);
  else if (operation === 1 && key !== undefined) put(key);
  else if (Array.isArray(container)) container.push(junk);
  else put(JUNK_KEYS[random(JUNK_KEYS.length)] as string);
}

test('a damaged config is either understood in full or refused in one line with the key', () => {
  const seed = 20_261_124;
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  let accepted = 0;
  for (let round = 0; round < 3_000; round++) {
    const value = JSON.parse(DESIGN);
    for (let changes = 1 + random(3); changes > 0; changes--) mutate(value, random);
    // A hole that a deletion leaves in a list is null in JSON.
    const written = JSON.parse(JSON.stringify(value));
    try {
      const config = parseConfig(written, 'weir.json', FACTS);
      accepted++;
      const sources = config.sources.map(({ name }) => name);
      assert.equal(sources, Object.keys(written.sources));
      assert.equal(
        config.filters.map(({ instance }) => instance),
        Object.keys(written.filters),
      );
      for (const { from } of config.filters) assert.ok(from.every((name) => sources.includes(name)));
    } catch (error) {
      assert.instance(error, WeirError, `seed ${seed}, round ${round}: ${error}`);
      const { code, message } = error as WeirError;
      assert.is(code, 'CONFIG_INVALID');
      assert.match(
        message,
        /^weir\.json: .+?: expected .+, found .+; correct this key; the README shows the shape$/,
      );
      assert.not.match(message, /[\p{Cc}\p{Zl}\p{Zp}]/u);
      assert.ok(message.length < 600, `${message.length} characters: ${message}`);
    }
  }
  assert.ok(accepted > 100 && accepted < 2_400, `accepted ${accepted}`);
});

test.run();
