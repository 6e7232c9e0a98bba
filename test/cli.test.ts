/**
 * The commands as a user types them.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { linkSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { installedFilters } from '../host/filter/library.js';
import { endAll, MAIN, ROOT, said, saidHere, weir } from './command.js';
import { temporaryFolder, until, WAIT_MS } from './help.js';

const SAMPLE = join(ROOT, 'filters/ssh-auth/samples/guessing.log');
const NOW = ['--now', '2026-02-01T00:00:00Z'];

const cli = suite<{ folder: string }>('commands');
cli.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
cli.after.each(async ({ folder }) => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const COMMANDS = 'run swap replay tap verify push new build test dev capture inspect bundle';

const FLEET_COMMANDS =
  'init status promote rollback remove sign publish audit acknowledge policy refresh restore nats-config streams';
const KEYS_COMMANDS = 'list create add rotate revoke renew delegate undelegate';

/** A command line, the exit code, and the line that it ends with. */
const REFUSED = `
nothing
  2 USAGE: expected a command (run, swap, replay, tap, verify, push, fleet, new, build, test, dev, capture, inspect, bundle), found "nothing"; see --help
replay ssh-auth
  2 USAGE: expected FILTER and at least one FILE; see --help
replay ssh-auth LOG --nope
  2 USAGE: Unknown option '--nope', expected one of --config-json, --now, --timezone, --filter-dir, --batch-bytes, --summary, --stats, --quiet; see --help
replay ssh-auth LOG --batch-bytes -5
  2 USAGE: Option '--batch-bytes' argument is ambiguous; see --help
replay ssh-auth LOG --quiet=yes
  2 USAGE: Option '--quiet' does not take an argument; see --help
replay ssh-auth LOG --batch-bytes 63
  2 USAGE: --batch-bytes: expected a whole number from 64 to 16777216, found "63"; see --help
replay ssh-auth LOG --batch-bytes 64.5
  2 USAGE: --batch-bytes: expected a whole number from 64 to 16777216, found "64.5"; see --help
replay ssh-auth LOG --now yesterday
  2 USAGE: --now: expected a time such as 2026-01-31T12:00:00Z, found "yesterday"; see --help
replay ssh-auth LOG --now 2026-02-30T00:00:00Z
  2 USAGE: --now: expected a time such as 2026-01-31T12:00:00Z, found "2026-02-30T00:00:00Z"; see --help
replay ssh-auth LOG --timezone Mars/Base
  2 USAGE: --timezone: expected a zone such as "Europe/Berlin", found "Mars/Base"; see --help
replay ssh-auth LOG --config-json [1]
  2 USAGE: --config-json: expected a JSON object, found [1]; see --help
replay ssh-auth LOG --config-json {"users":1}
  1 FILTER_CONFIG: filter ssh-auth: config: expected no keys; found "users"; correct this key of the filter's "config"
replay ../ssh-auth LOG
  1 FILTER_UNKNOWN: filter "../ssh-auth": expected one of FILTERS; name one of these, write one with "weir new NAME", or give "weir run" its folder with --filter-dir
replay ssh-auth LOG missing.log LOG
  1 SOURCE_UNREADABLE: missing.log: no such file; check the path and the permissions of the user that runs weir
replay ssh-auth LOG missing*.log
  1 SOURCE_UNREADABLE: missing*.log: no such file; check the path and the permissions of the user that runs weir
replay ssh-auth LOG /proc
  1 INPUT_UNREADABLE: /proc: expected a regular file, found a folder; name files of lines, or hand the lines over as standard input, e.g. "zcat FILE | weir replay FILTER -"
run here
  2 USAGE: Unexpected argument 'here'; see --help
run --now 2026-01-31T12:00:00Z
  2 USAGE: --now: expected --until-eof beside it; see --help
run --config missing.json
  1 CONFIG_UNREADABLE: missing.json: expected a readable file, found ENOENT: no such file or directory, open 'missing.json'; check the path and its permissions
run --config .
  1 CONFIG_UNREADABLE: .: expected a readable file, found EISDIR: illegal operation on a directory, read; check the path and its permissions
fleet nothing
  2 USAGE: expected a command (init, status, promote, rollback, remove, keys, sign, publish, audit, acknowledge, policy, refresh, restore, nats-config, streams), found "nothing"; see --help
fleet nats-config
  2 USAGE: expected --out FOLDER; see --help
fleet nats-config --out new --appliance a.b
  2 USAGE: appliance: expected a name of 1 to 63 letters, digits, _ and -, found "a.b"; see --help
fleet nats-config --out new --listen 4222
  2 USAGE: --listen: expected an address such as 127.0.0.1:4222, found "4222"; see --help
fleet nats-config --out new --tls-cert FILE
  2 USAGE: expected --tls-cert and --tls-key beside each other; see --help
fleet nats-config --out new --appliances missing
  2 USAGE: --appliances: missing: expected a readable file, found ENOENT: no such file or directory, open 'missing'; see --help
fleet promote f --group edge
  2 USAGE: expected one of --percent and --auto; see --help
fleet promote f --group edge --auto --percent 10
  2 USAGE: expected one of --percent and --auto; see --help
fleet promote f --group edge --auto --soak long
  2 USAGE: --soak: expected a time such as 30s or 5m, found "long"; see --help
fleet audit --appliance a.b
  2 USAGE: --appliance: expected a name, found "a.b"; see --help
fleet audit --since yesterday
  2 USAGE: --since: expected a time such as 2026-01-31T12:00:00Z or an age such as 24h, found "yesterday"; see --help
fleet policy
  2 USAGE: expected --group; see --help
fleet status --fleet missing
  1 FLEET_MISSING: missing/fleet.json: expected a readable file, found ENOENT: no such file or directory, open 'missing/fleet.json'; make one with "weir fleet init", or name its folder with --fleet
fleet streams
  2 USAGE: expected --server URL or --config FILE; see --help
fleet streams --server nats://127.0.0.1:1 --nkey a --creds b
  2 USAGE: expected one of --nkey and --creds, found both; see --help
tap a b
  2 USAGE: expected one SUBJECT, found 2; see --help
tap weir..logins
  2 USAGE: expected a SUBJECT such as weir.ev.*.ssh-auth.>, found "weir..logins"; see --help
tap weir.>.logins
  2 USAGE: expected a SUBJECT such as weir.ev.*.ssh-auth.>, found "weir.>.logins"; see --help
tap --count 0
  2 USAGE: --count: expected a whole number from 1 to 1000000000, found "0"; see --help
tap --data nowhere
  2 USAGE: expected --server, or a host that runs, because none has left a broker's address in nowhere; see --help
tap --server nats://127.0.0.1:9
  1 BROKER_UNREACHABLE: broker: nats://127.0.0.1:9: nothing listens there; check nats.servers and that the broker runs
verify a b
  2 USAGE: expected one SUBJECT, found 2; see --help
verify weir..logins
  2 USAGE: expected a SUBJECT such as weir.ev.fw-01.>, found "weir..logins"; see --help
verify --stream a.b
  2 USAGE: --stream: expected the name of a stream, found "a.b"; see --help
verify --since yesterday
  2 USAGE: --since: expected a time such as 2026-01-31T12:00:00Z or an age such as 24h, found "yesterday"; see --help
verify --since 2026-02-30T00:00:00Z
  2 USAGE: --since: expected a time such as 2026-01-31T12:00:00Z, found "2026-02-30T00:00:00Z"; see --help
verify --data nowhere
  2 USAGE: expected --server, or a host that runs, because none has left a broker's address in nowhere; see --help
verify --config missing.json
  1 CONFIG_UNREADABLE: missing.json: expected a readable file, found ENOENT: no such file or directory, open 'missing.json'; check the path and its permissions
verify --server nats://127.0.0.1:9
  1 BROKER_UNREACHABLE: broker: nats://127.0.0.1:9: nothing listens there; check nats.servers and that the broker runs
replay ssh-auth - LOG -
  2 USAGE: expected - for standard input once, found it again; see --help
new
  2 USAGE: expected one NAME, found 0; see --help
dev files
  2 USAGE: expected one NAME and --input FILE; see --help
inspect
  2 USAGE: expected one MODULE or NAME, found 0; see --help
inspect one two
  2 USAGE: expected one MODULE or NAME, found 2; see --help
inspect nothing
  1 FILTER_UNKNOWN: filter "nothing": expected one of FILTERS; name one of these, write one with "weir new NAME", or give "weir run" its folder with --filter-dir
inspect missing.wasm
  1 MODULE_UNREADABLE: missing.wasm: expected a readable file, found ENOENT: no such file or directory, open 'missing.wasm'; check the path and its permissions
inspect /dev/zero
  1 MODULE_UNREADABLE: /dev/zero: expected a readable file, found something else than a file; check the path and its permissions
capture
  2 USAGE: expected either one SUBJECT or --source NAME; see --help
capture weir.> --source auth
  2 USAGE: expected either one SUBJECT or --source NAME; see --help
capture weir.> --events 5
  2 USAGE: expected --events N and --output FILE; see --help
capture weir.> --events 0 -o new
  2 USAGE: --events: expected a whole number from 1 to 1000000, found "0"; see --help
capture weir.> --events 5 -o new --redact user,,host
  2 USAGE: --redact: expected names between commas, found "user,,host"; see --help
new any --force
  2 USAGE: Unknown option '--force', expected no options; see --help
replay any LOG --filter-dir nowhere
  2 USAGE: --filter-dir: expected a folder, found none at nowhere; see --help
run --filter-dir nowhere
  2 USAGE: --filter-dir: expected a folder, found none at nowhere; see --help
replay any LOG --filter-dir .
  1 FILTER_UNKNOWN: filter "any": expected it in ., found no filter there; name one of these, write one with "weir new NAME", or give "weir run" its folder with --filter-dir
capture weir.> --events 5 -o LOG
  1 FILE_EXISTS: LOG: expected no such file, found one; choose another name, or remove what is there
capture --source auth --events 5 -o new
  1 CONFIG_UNREADABLE: weir.json: expected a readable file, found ENOENT: no such file or directory, open 'weir.json'; check the path and its permissions`;

cli('what is no file of lines is refused with what to do, whatever its name', async ({ folder }) => {
  const told = (name: string) => saidHere(['replay', 'ssh-auth', name], folder);
  const remedy =
    'name files of lines, or hand the lines over as standard input, e.g. "zcat FILE | weir replay FILTER -"';
  writeFileSync(join(folder, 'old.log'), gzipSync('a line\n'));
  writeFileSync(join(folder, 'short.log'), Buffer.from([0x1f]));
  writeFileSync(join(folder, 'new.zst'), Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0]));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  for (const [name, found] of [
    ['old.log', 'lines, found data compressed with gzip'],
    ['new.zst', 'lines, found data compressed with zstd'],
    ['pipe', 'a regular file, found a pipe'],
    ['/dev/null', 'a regular file, found a device or socket'],
    ['.', 'a regular file, found a folder'],
  ] as const) {
    const { code, out, err } = await told(name);
    assert.equal(
      [code, out, err],
      [1, '', `weir: INPUT_UNREADABLE: ${name}: expected ${found}; ${remedy}\n`],
    );
  }
  assert.is((await told('short.log')).code, 0);
});

cli('replay refuses a file that is named twice, also by a link', async ({ folder }) => {
  writeFileSync(join(folder, 'a.log'), 'a line\n');
  symlinkSync('a.log', join(folder, 'soft.log'));
  linkSync(join(folder, 'a.log'), join(folder, 'hard.log'));
  for (const again of ['a.log', './a.log', 'soft.log', 'hard.log']) {
    const { code, out, err } = await saidHere(['replay', 'ssh-auth', 'a.log', '-', again], folder);
    const problem = `expected each FILE once, found a.log and ${again}, which are the same file`;
    assert.equal([code, out, err], [2, '', `weir: USAGE: ${problem}; see --help\n`]);
  }
});

cli('what cannot be written is one line', () => {
  const script = '"$0" "$@" > /dev/full; echo $? >&2';
  const args = [process.execPath, MAIN, 'replay', 'ssh-auth', SAMPLE];
  assert.is(
    spawnSync('sh', ['-c', script, ...args], { encoding: 'utf8' }).stderr,
    'weir: OUTPUT_UNWRITABLE: standard output: expected to write it, found ENOSPC; make room there, or choose a path that this user may write\n1\n',
  );
});

cli('errors are one line and say what to do', async ({ folder }) => {
  const cases = REFUSED.replaceAll('FILTERS', installedFilters().join(', '))
    .slice(1)
    .split(/\n(?! )/);
  async function see(refused: string): Promise<void> {
    const [command = '', expected = ''] = refused.split('\n  ');
    const args = command.split(' ').map((part) => (part === 'LOG' ? SAMPLE : part));
    const { code, out, err } = await saidHere(args, folder);
    assert.is(
      `${code} ${err}`,
      `${expected.replace(' ', ' weir: ').replace(' LOG:', ` ${SAMPLE}:`)}\n`,
      command,
    );
    assert.is(out, '', command);
  }
  for (const refused of cases) await see(refused);
});

for (const [table, names] of [
  ['', COMMANDS],
  ['fleet ', FLEET_COMMANDS],
  ['fleet keys ', KEYS_COMMANDS],
] as const)
  cli(`help covers every option of each command of "weir ${table}", and no other`, async () => {
    const overview = await saidHere([...table.split(' ').slice(0, -1), '--help']);
    assert.is(overview.code, 0);
    for (const name of names.split(' ')) {
      const words = `${table}${name}`.split(' ');
      assert.match(overview.out, new RegExp(`^  ${name} +\\w`, 'm'));
      const { out: help } = await saidHere([...words, '--help']);
      // Each command once as a process.
      const { code, out, err } = await said([...words, '--unknown']);
      assert.equal([code, out], [2, '']);
      const options = [...err.matchAll(/--[\w-]+/g)].map(([found]) => found);
      const accepted = options.filter((option) => option !== '--unknown' && option !== '--help');
      const told = [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option as string);
      assert.equal(told.sort(), accepted.sort(), words.join(' '));
      assert.match(help, new RegExp(`^Usage: weir ${words.join(' ')}`));
      assert.is((await saidHere(['help', ...words])).out, help);
    }
  });

cli('replay prints one JSON object a line, files in the order of the command line', async ({ folder }) => {
  const line = (user: string) =>
    `Jan 31 10:00:00 fw sshd[1]: Failed password for ${user} from 10.0.0.1 port 22 ssh2\n`;
  writeFileSync(join(folder, 'b.log'), line('one'));
  writeFileSync(join(folder, 'a[1].log'), line('two').trimEnd());
  const { code, err, records } = await saidHere(['replay', 'ssh-auth', 'b.log', 'a[1].log', ...NOW], folder);
  assert.is(`${code}${err}`, '0');
  const logins = records().filter(({ stream }) => stream === 'logins');
  assert.equal(
    logins.map(({ user }) => user),
    ['one', 'two'],
  );
  assert.is(logins[0].ts, Date.parse('2026-01-31T10:00:00Z'));
});

cli('--stats is one line of figures on standard error, --quiet leaves out the records', async () => {
  const { out, err } = await saidHere(['replay', 'ssh-auth', SAMPLE, ...NOW, '--stats']);
  const quiet = await saidHere(['replay', 'ssh-auth', SAMPLE, ...NOW, '--stats', '--quiet']);
  assert.is(quiet.out, '');
  const keys =
    'events bytes records bytes_out compressed_bytes seconds events_per_second memory_bytes ledger';
  const [stats, same] = [err, quiet.err].map((text) => {
    assert.is(text.split('\n').length, 2, text);
    return JSON.parse(text);
  });
  assert.is(Object.keys(stats).join(' '), keys);
  assert.is(stats.events, readFileSync(SAMPLE, 'utf8').trimEnd().split('\n').length);
  assert.is(stats.bytes, readFileSync(SAMPLE).length);
  assert.is(stats.records, out.trimEnd().split('\n').length);
  for (const key of ['records', 'bytes_out', 'compressed_bytes', 'memory_bytes'])
    assert.is(same[key], stats[key]);
});

cli('a reader that goes away gets no error, but the exit code of SIGPIPE', async ({ folder }) => {
  writeFileSync(join(folder, 'long.log'), readFileSync(SAMPLE, 'utf8').repeat(2_000));
  const { child, exited, err } = weir(['replay', 'ssh-auth', 'long.log'], folder);
  child.stdout?.once('data', () => child.stdout?.destroy());
  assert.is(await exited, 141);
  assert.is(err(), '');
});

cli('a folder that nobody can make is an error, also in /proc', async ({ folder }) => {
  writeFileSync(join(folder, 'auth.log'), '');
  const config = { sources: { a: { file: 'auth.log' } }, filters: { 'ssh-auth': { from: ['a'] } } };
  writeFileSync(join(folder, 'weir.json'), JSON.stringify({ data: '/proc/weir', ...config }));
  const { child, exited, err } = weir(['run'], folder);
  await until(() => err() !== '' || child.exitCode !== null, WAIT_MS, 'an error').finally(() =>
    child.kill('SIGKILL'),
  );
  assert.match(
    err(),
    /^weir: DATA_UNWRITABLE: data: \/proc\/weir: ENOENT: .*; make room there, or set "data" to a folder .*\n$/,
  );
  await exited;
});

cli.run();
