/**
 * Keys and signatures as operators handle them, with a real broker: rotation, and a second signer on another machine.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseEntry } from '../../host/fleet/audit.js';
import { brokenAt } from './chain.js';
import { openFleetFolder } from '../../host/fleet/folder.js';
import { keyIdOf } from '../../host/fleet/keys.js';
import { TOP_LEVEL } from '../../host/fleet/metadata.js';
import { roleOf } from '../../host/fleet/roles.js';
import { brokerAvailable } from '../broker.js';
import { saidHere } from '../command.js';
import {
  assignment,
  audit,
  codeOf,
  done,
  type Fleet,
  initialisedFleet,
  type Loose,
  open,
  PASSPHRASE,
  PATH,
  push,
  refused,
  taken,
  weirFleet,
} from './fleets.js';

// One fleet for all of them: to make one takes seconds, for its keys.
const keys = suite<Fleet>('weir fleet keys');
keys.before(async (context) => {
  Object.assign(context, await initialisedFleet());
});
keys.after(({ stop }) => stop());

keys('what is refused makes no key and changes nothing', async (context) => {
  const { fleet, broker } = context;
  const here = () => readdirSync(join(fleet, 'keys')).sort();
  const [before, versions] = [here(), (await open(context, broker)).state];
  await refused(
    context,
    /KEYS_REFUSED: expected a role \(root, targets, snapshot, timestamp\), found net/,
    'keys',
    'rotate',
    'net',
  );
  await refused(
    context,
    /KEYS_REFUSED: role targets: expected one of its keys \([0-9a-f]{12}\), found "00112233"/,
    'keys',
    'revoke',
    'targets',
    '00112233',
  );
  const [id] = roleOf(versions, 'targets').ids as [string];
  const short = /KEYS_REFUSED: role targets: expected one of its keys \([0-9a-f]{12}\), found "[0-9a-f]{5}"/;
  await refused(context, short, 'keys', 'revoke', 'targets', id.slice(0, 5));
  await refused(
    context,
    /KEYS_REFUSED: role targets: expected a key, or nobody/,
    'keys',
    'revoke',
    'targets',
    id.slice(0, 6),
  );
  process.env.WEIR_PASSPHRASE = 'wrong horse battery';
  await refused(context, /PASSPHRASE_WRONG: key root/, 'keys', 'rotate', 'targets');
  const wrong = await saidHere(['fleet', 'keys', 'create', 'ann', '--fleet', fleet]);
  assert.match(wrong.err, /PASSPHRASE_WRONG/);
  const theirs = join(fleet, 'bob.pub.json');
  writeFileSync(theirs, 'of bob');
  const again = await saidHere(['fleet', 'keys', 'create', 'bob', '--fleet', fleet]);
  assert.match(again.err, /FILE_EXISTS: .*bob\.pub\.json: expected no key of this name, found one/);
  assert.is(readFileSync(theirs, 'utf8'), 'of bob');
  rmSync(theirs);
  process.env.WEIR_PASSPHRASE = PASSPHRASE;
  await refused(
    { ...context, server: { ...context.server, url: 'nats://127.0.0.1:9' } },
    /BROKER_UNREACHABLE/,
    'keys',
    'rotate',
    'targets',
  );
  const unwritable = ['--propose', join(fleet, 'missing/proposal.json')];
  await refused(context, /OUTPUT_UNWRITABLE/, 'keys', 'rotate', 'targets', ...unwritable);
  assert.equal(here(), before);
  // The key of root lies elsewhere: then it is proposed from here.
  mkdirSync(join(fleet, 'away'));
  renameSync(join(fleet, 'keys/root.json'), join(fleet, 'away/root.json'));
  await refused(
    context,
    /SIGNATURES_MISSING: root before: expected 1 signatures, found 0/,
    'keys',
    'rotate',
    'targets',
  );
  renameSync(join(fleet, 'away/root.json'), join(fleet, 'keys/root.json'));
  assert.equal(here(), before);
  assert.is((await open(context, broker)).state.timestamp.signed.version, versions.timestamp.signed.version);
  assert.match(await done(context, 'keys', 'renew', 'targets'), 'targets: renewed: 1 of ');
  assert.is(await taken(context), undefined);
});

keys('two people sign for what a group runs, the second without a broker', async (context) => {
  const { server, fleet, path, trust } = context;
  const bob = join(path, 'bob');
  const at = (name: string) => join(path, name);
  const offline = (...args: string[]) => saidHere(['fleet', ...args, '--fleet', bob]);
  assert.is((await offline('keys', 'create', 'bob')).code, 0);
  assert.equal(readdirSync(bob).sort(), ['bob.pub.json', 'keys']);
  const filter = ['push', 'ssh-auth', '--group', 'edge', '--from', 'auth', '--reason', 'logins'];
  const pushed = await saidHere([
    ...[...filter, '--percent', '50'],
    ...['--server', server.url, '--fleet', fleet, '--yes'],
  ]);
  assert.is(pushed.code, 0, pushed.err);
  assert.is((await weirFleet(context, 'keys', 'create', 'ann')).code, 2, 'create does not know --server');
  assert.is((await saidHere(['fleet', 'keys', 'create', 'ann', '--fleet', fleet])).code, 0);

  const role = ['keys', 'delegate', 'edge', '--paths', PATH, '--threshold', '2'];
  const both = ['--key', join(fleet, 'ann.pub.json'), '--key', join(bob, 'bob.pub.json')];
  await refused(
    context,
    /SIGNATURES_MISSING: edge: expected 2 signatures, found 1; .*--propose/,
    ...role,
    ...both,
  );
  assert.match(
    await done(context, ...role, ...both, '--propose', at('role.json')),
    /\nedge: 1 of 2 signatures/,
  );
  await refused(context, /SIGNATURES_MISSING: edge: expected 2/, 'publish', at('role.json'));
  assert.match((await offline('sign', at('role.json'), '--yes')).err, /FLEET_MISSING: .*root\.json/);
  cpSync(join(fleet, 'root.json'), join(bob, 'root.json'));
  assert.match((await offline('sign', at('role.json'))).err, /USAGE: Sign this\? expected --yes/);
  const signed = await offline('sign', at('role.json'), '--yes');
  assert.is(signed.code, 0, signed.err);
  assert.match(signed.err, `\n  role edge alone may sign ${PATH}\n`);
  assert.match(signed.out, `next: weir fleet publish ${at('role.json')}\n`);
  assert.match(await done(context, 'publish', at('role.json')), 'published: delegated\n');

  const promote = ['promote', 'ssh-auth', '--group', 'edge', '--percent', '100', '--reason', 'a day'];
  await refused(context, /SIGNATURES_MISSING: edge: expected 2 signatures, found 1/, ...promote);
  await done(context, ...promote, '--propose', at('one.json'));
  await done(context, ...promote, '--propose', at('other.json'));
  await refused(context, /FILE_EXISTS: .*one\.json/, ...promote, '--propose', at('one.json'));
  const whole = readFileSync(at('one.json'), 'utf8');
  writeFileSync(at('changed.json'), whole.replace('"a day"', '"a dax"'));
  assert.match(
    (await offline('sign', at('changed.json'), '--yes')).err,
    /PROPOSAL_INVALID: .*what it has signed is not what is here/,
  );
  process.env.WEIR_PASSPHRASE = 'wrong horse battery';
  assert.match((await offline('sign', at('one.json'), '--yes')).err, /PASSPHRASE_WRONG: key bob/);
  process.env.WEIR_PASSPHRASE = PASSPHRASE;
  assert.is(readFileSync(at('one.json'), 'utf8'), whole);
  for (const name of ['one.json', 'other.json'])
    assert.is((await offline('sign', at(name), '--yes')).code, 0);
  const { changes } = JSON.parse(await done(context, 'publish', at('one.json'), '--json'));
  assert.match(changes.join('\n'), /group edge: serial 1 -> 2\n/);
  await refused(
    context,
    /PROPOSAL_OUTDATED: .*edge: expected to be made on version 2 or later, found 1/,
    'publish',
    at('other.json'),
  );
  assert.is(JSON.parse((await taken(context)) as string).serial, 2);
  assert.ok(trust.trusted());
  const entries = (await audit(context)).map((line) => parseEntry(line));
  assert.equal(
    entries.slice(-3).map((entry) => entry?.action),
    ['pushed', 'delegated', 'promoted'],
  );
  assert.match(String(entries.at(-1)?.signed_by), /^[0-9a-f]{12}, [0-9a-f]{12}$/);

  // A push to the group carries its new bundle along.
  const again = [
    ...filter,
    '--as',
    'logins',
    '--propose',
    at('push.json'),
    '--server',
    server.url,
    '--fleet',
    fleet,
    '--yes',
  ];
  assert.is((await saidHere(again)).code, 0);
  assert.is((await offline('sign', at('push.json'), '--yes')).code, 0);
  await done(context, 'publish', at('push.json'));
  assert.equal(Object.keys(JSON.parse((await taken(context)) as string).filters).sort(), [
    'logins',
    'ssh-auth',
  ]);

  // Bob's key is lost: what nobody could sign for is refused, one key may do.
  const { roles } = JSON.parse(await done(context, 'keys', 'list', '--json'));
  const lost = roles
    .find((one: Loose) => one.role === 'edge')
    .keys.find((key: Loose) => key.name === null)
    .id.slice(0, 12);
  await refused(
    context,
    /KEYS_REFUSED: role edge: expected a threshold from 1 to its 1 keys, found 2/,
    'keys',
    'revoke',
    'edge',
    lost,
  );
  await done(context, 'keys', 'revoke', 'edge', lost, '--threshold', '1', '--reason', 'lost');
  await done(context, 'keys', 'undelegate', 'edge');
  assert.equal(JSON.parse(await done(context, 'keys', 'list', '--json')).roles.length, 4);
  assert.is(brokenAt(await audit(context)), undefined);
});

keys('each role is rotated, and what is pushed then is taken by an appliance that slept', async (context) => {
  const { fleet, broker } = context;
  const rootBefore = (await open(context, broker)).state.root.signed.version;
  for (const role of TOP_LEVEL)
    assert.match(
      await done(context, 'keys', 'rotate', role),
      new RegExp(`^${role}: keys rotated: 1 of [0-9a-f]{12}\n$`),
    );
  const ring = openFleetFolder(fleet).ring(PASSPHRASE);
  await push(await open(context, broker), ring, 9);
  assert.is(await taken(context), assignment(9).toString());
  assert.is(context.trust.trusted()?.versions.root, rootBefore + 4);
  const { roles, unused } = JSON.parse(await done(context, 'keys', 'list', '--json'));
  assert.equal(
    roles.map(({ role, threshold, keys: [{ name }] }: Loose) => [role, threshold, name]),
    TOP_LEVEL.map((role) => [role, 1, `${role}-2`]),
  );
  assert.equal(
    unused.map(({ name }: Loose) => name).filter((name: string) => name !== 'ann'),
    ['root', 'snapshot', 'targets', 'timestamp'],
  );
  const shown = await done(context, 'keys', 'list');
  assert.match(shown, /^root: 1 of 1 keys; version \d, expires 20\d\d-.*\n {2}[0-9a-f]{12} root-2\n/);
  // In whoever's hands the key is that was revoked: it signs nothing any more.
  const revoked = openFleetFolder(fleet)
    .keys()
    .filter(({ name }) => name === 'targets');
  const thief = { open: (ids: readonly string[]) => (ids.some(isRevoked) ? ring.open(ids) : []) };
  function isRevoked(id: string) {
    return revoked.some((file) => keyIdOf(file.public) === id);
  }
  const evil = push(await open(context, broker), thief, 10);
  assert.match(await codeOf(evil), /^SIGNATURES_MISSING: targets: expected 1 signatures, found 0/);
});

keys(
  'whose key of the timestamp somebody else has rotated is told which counts, and from where',
  async (context) => {
    const { fleet, broker, path } = context;
    const theirs = { ...context, fleet: join(path, 'theirs') };
    cpSync(fleet, theirs.fleet, { recursive: true });
    const [was = ''] = roleOf((await open(context, broker)).state, 'timestamp').ids;
    await done(theirs, 'keys', 'rotate', 'timestamp');
    const [is = ''] = roleOf((await open(theirs, broker)).state, 'timestamp').ids;
    const { code, err } = await weirFleet(context, 'refresh');
    assert.is(code, 1);
    const [mine, counts] = [was, is].map((id) => id.slice(0, 12));
    assert.match(
      err,
      `KEYS_MISSING: timestamp: expected 1 signatures of ${counts}, found 0; keys of this folder that count for no role now: `,
    );
    assert.match(err, new RegExp(`timestamp\\S* \\(${mine}\\)`));
    assert.match(err, 'copy its file from "keys" there into that of this folder');
    assert.not.match(err, '--propose');
    const file = openFleetFolder(theirs.fleet)
      .keys()
      .find(({ public: raw }) => keyIdOf(raw) === is);
    const name = `${file?.name}.json`;
    cpSync(join(theirs.fleet, 'keys', name), join(fleet, 'keys', name));
    await done(context, 'refresh');
  },
);

if (brokerAvailable()) keys.run();
