/**
 * Keys and the configuration of a fleet's broker, and the command that writes both.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { natsConfig } from '../../host/fleet/natsconfig.js';
import { createSeed, isPublicKey, publicKeyOf } from '../../host/fleet/nkeys.js';
import { FLEET_APPLIANCES_MAX } from '../../host/fleetlimits.js';
import { brokerAvailable } from '../broker.js';
import { saidHere } from '../command.js';
import { refusalOf } from '../configs.js';
import { temporaryFolder } from '../help.js';

const config = suite<{ folder: string }>("configuration of a fleet's broker");
config.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
config.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const key = () => publicKeyOf(createSeed()) as string;
const LISTEN = { listen: '127.0.0.1:4222', storeDir: '/var/lib/nats' };
const OPERATORS = [{ name: 'operator', publicKey: key() }];
const APPLIANCES = [{ id: 'fw-01', publicKey: key() }];

config("keys are what NATS' own library makes of the same seed", () => {
  for (let time = 0; time < 20; time++) {
    const seed = createSeed();
    assert.match(seed, /^SU[A-Z2-7]{56}$/);
    const pair = nkeys.fromSeed(Buffer.from(seed));
    assert.is(publicKeyOf(seed), pair.getPublicKey());
    const other = nkeys.createUser();
    assert.is(publicKeyOf(Buffer.from(other.getSeed()).toString()), other.getPublicKey());
    assert.ok(isPublicKey(other.getPublicKey()));
  }
});

config('what is no key of a user, or is damaged by one letter, is none', () => {
  const seed = createSeed();
  const publicKey = publicKeyOf(seed) as string;
  const account = nkeys.createAccount();
  const others = ['', 'SU', `${seed}A`, seed.slice(0, -1), seed.toLowerCase(), publicKey, 'S'.repeat(58)];
  for (const text of [...others, Buffer.from(account.getSeed()).toString()])
    assert.is(publicKeyOf(text), undefined, text);
  for (const text of ['', seed, `${publicKey}A`, account.getPublicKey()]) assert.not.ok(isPublicKey(text));
  for (let at = 0; at < publicKey.length; at++) {
    const letter = publicKey[at] === 'A' ? 'B' : 'A';
    assert.not.ok(isPublicKey(publicKey.slice(0, at) + letter + publicKey.slice(at + 1)), `${at}`);
    assert.is(
      publicKeyOf(seed.slice(0, at) + (seed[at] === 'A' ? 'B' : 'A') + seed.slice(at + 1)),
      undefined,
    );
  }
});

config('the same users give the same text, without a secret', () => {
  const options = { appliances: APPLIANCES, operators: OPERATORS, ...LISTEN };
  const text = natsConfig(options);
  assert.is(natsConfig(options), text);
  assert.not.match(text, /\bSU[A-Z2-7]{56}\b/);
  assert.match(text, /^listen: "127\.0\.0\.1:4222"$/m);
  assert.not.match(text, /^tls/m);
  const tls = { cert: '/etc/nats/cert.pem', key: '/etc/nats/key.pem' };
  assert.not.match(natsConfig({ ...options, tls }), 'verify');
  assert.match(natsConfig({ ...options, tls: { ...tls, ca: '/etc/nats/ca.pem' } }), /^ {2}verify: true$/m);
});

config('names and keys that could mean something else are refused', () => {
  const refused = (part: object) =>
    refusalOf(
      () => natsConfig({ appliances: APPLIANCES, operators: OPERATORS, ...LISTEN, ...part }),
      'USAGE',
    );
  for (const id of ['', '*', '>', 'a.b', 'a b', '"', 'ä', 'a'.repeat(64)])
    assert.match(
      refused({ appliances: [{ id, publicKey: key() }] }),
      'appliance: expected a name of 1 to 63 letters',
    );
  assert.match(refused({ operators: [{ name: 'x\n}', publicKey: key() }] }), 'operator: expected a name');
  assert.match(
    refused({ appliances: [{ id: 'a', publicKey: 'U }' }] }),
    'appliance a: expected the public key',
  );
  assert.match(refused({ appliances: [...APPLIANCES, ...APPLIANCES] }), 'found appliance fw-01 twice');
  const shared = [{ id: 'a', publicKey: OPERATORS[0]?.publicKey }];
  assert.match(refused({ appliances: shared }), 'operator operator: expected a name and a key of its own');
  assert.match(refused({ appliances: [] }), `expected 1 to ${FLEET_APPLIANCES_MAX} appliances, found 0`);
  for (const storeDir of ['/a"b', '/a\\b', '/a\nb'])
    assert.match(refused({ storeDir }), 'expected a text without quotes');
});

config(
  'adding an appliance changes nothing for others, and removing its key takes it out',
  async ({ folder }) => {
    const out = join(folder, 'fleet');
    const run = (...args: string[]) => saidHere(['fleet', 'nats-config', '--out', out, ...args], folder);
    writeFileSync(join(folder, 'list'), '# appliances\nfw-03\n\n  fw-02 # in the cellar\n');
    const first = await run('--appliance', 'fw-01', '--appliances', 'list');
    assert.is(first.code, 0, first.err);
    const seedPath = (id: string) => join(out, 'appliances', `${id}.nk`);
    for (const path of [
      seedPath('fw-01'),
      seedPath('fw-02'),
      seedPath('fw-03'),
      join(out, 'operators/operator.nk'),
    ])
      assert.is(statSync(path).mode & 0o777, 0o600, path);
    const seeds = ['fw-01', 'fw-02'].map((id) => readFileSync(seedPath(id), 'utf8'));
    const lines = readFileSync(join(out, 'nats.conf'), 'utf8').split('\n');

    const second = await run('--appliance', 'fw-04', '--json');
    assert.is(second.code, 0, second.err);
    const [told] = second.records();
    assert.is(told.schema, 1);
    assert.is(told.config, join(out, 'nats.conf'));
    assert.equal(
      told.appliances.map(({ name, isNew }: { name: string; isNew: boolean }) => `${name} ${isNew}`),
      ['fw-01 false', 'fw-02 false', 'fw-03 false', 'fw-04 true'],
    );
    assert.not.match(second.out, /\bSU[A-Z2-7]{56}\b/);
    assert.equal(
      ['fw-01', 'fw-02'].map((id) => readFileSync(seedPath(id), 'utf8')),
      seeds,
    );
    const text = readFileSync(join(out, 'nats.conf'), 'utf8');
    for (const line of lines.filter((one) => one.includes('nkey:'))) assert.ok(text.includes(line), line);

    unlinkSync(seedPath('fw-02'));
    await run();
    const after = readFileSync(join(out, 'nats.conf'), 'utf8');
    assert.not.match(after, 'fw-02');
    assert.match(after, 'fw-04');
  },
);

config('the options of the server stay until others are given', async ({ folder }) => {
  const run = async (...args: string[]) => {
    const { code, err } = await saidHere(['fleet', 'nats-config', '--out', folder, ...args], folder);
    assert.is(code, 0, err);
    return readFileSync(join(folder, 'nats.conf'), 'utf8');
  };
  const tls = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem'];
  const first = await run('--appliance', 'fw-01', '--listen', '0.0.0.0:4333', '--store', '/srv/js', ...tls);
  const second = await run('--appliance', 'fw-02');
  for (const line of [/^listen: "0\.0\.0\.0:4333"$/m, /store_dir: "\/srv\/js"$/m, /^tls \{$/m, /key\.pem"$/m])
    for (const text of [first, second]) assert.match(text, line);
  const third = await run('--listen', '127.0.0.1:4334');
  assert.match(third, /^listen: "127\.0\.0\.1:4334"$/m);
  assert.match(third, /^tls \{$/m);
});

config('a file that is not its own is kept', async ({ folder }) => {
  const run = (...args: string[]) =>
    saidHere(['fleet', 'nats-config', '--out', folder, '--appliance', 'fw-01', ...args], folder);
  const path = join(folder, 'nats.conf');
  writeFileSync(path, 'port: 4222\n');
  const refused = await run();
  assert.is(refused.code, 1);
  assert.match(refused.err, `FILE_EXISTS: ${path}: expected what this command has written`);
  assert.is(readFileSync(path, 'utf8'), 'port: 4222\n');
  assert.not.ok(existsSync(join(folder, 'appliances')));
  assert.is((await run('--yes')).code, 0);
  assert.is((await run()).code, 0);
  writeFileSync(path, readFileSync(path, 'utf8').replace('max_subscriptions: 1000', 'max_subscriptions: 9'));
  assert.match((await run()).err, 'or that it was changed');
  assert.is((await run('--yes')).code, 0);
  writeFileSync(join(folder, 'appliances/fw-01.nk'), 'hunter2\n');
  const damaged = await run();
  assert.match(damaged.err, 'FILE_EXISTS: ');
  assert.match(damaged.err, "fw-01.nk: expected the seed of a user's nkey, found something else");
  assert.not.match(damaged.err, 'hunter2');
});

if (brokerAvailable())
  config('nats-server takes the configuration of the largest fleet', ({ folder }) => {
    const appliances = Array.from({ length: FLEET_APPLIANCES_MAX }, (_, at) => ({
      id: `appliance-${at}`,
      publicKey: key(),
    }));
    const path = join(folder, 'nats.conf');
    writeFileSync(path, natsConfig({ appliances, operators: OPERATORS, ...LISTEN }));
    assert.ok(statSync(path).size < 8 * 1024 * 1024, `${statSync(path).size} bytes`);
    const { status, stderr } = spawnSync('nats-server', ['-t', '-c', path], { encoding: 'utf8' });
    assert.is(status, 0, stderr);
  });

config.run();
