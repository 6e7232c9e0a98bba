/**
 * A change on its way to others who sign it: what they are shown is what they sign, whoever has had the file in hands.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../../host/errors.js';
import { type Assignment, assignmentBytes } from '../../host/fleet/assignment.js';
import { dutiesOf, needAllSigned } from '../../host/fleet/change.js';
import { type Change, composeEdition, writeEdition } from '../../host/fleet/edition.js';
import type { SigningKey } from '../../host/fleet/keys.js';
import { NO_COPY } from '../../host/fleet/copy.js';
import { draftChange, type Operator } from '../../host/fleet/operator.js';
import { fileOf, readProposal, signProposal } from '../../host/fleet/proposal.js';
import { proposalBytes } from '../../host/fleet/proposalfile.js';
import { makeProposal } from '../../host/fleet/propose.js';
import { delegated, renewed, undelegated, withKeys } from '../../host/fleet/roles.js';
import { createTrust } from '../../host/fleet/trust.js';
import { wordsOf } from '../../host/fleet/words.js';
import { temporaryFolder } from '../help.js';
import { createWorld, NOW_MS, ringOf, testKey, type World } from './world.js';

const PATH = 'assignments/edge.json';
const ACT = {
  action: 'promoted',
  group: 'edge',
  filter: 'ssh-auth',
  percent: 50,
  by: 'ann',
  reason: 'a day',
};

const release = (percent: number, more: object = {}) => ({
  version: 'ssh-auth@1.0.0+0123456789ab',
  bundle: 'filters/ssh-auth-1.0.0-0123456789ab.bundle',
  from: ['auth'],
  percent,
  rollout: '0123456789abcdef',
  reason: 'logins',
  by: 'ann',
  at: '2026-01-31T12:00:00Z',
  ...more,
});
const assignment = (serial: number, percent: number, more: object = {}): Buffer =>
  assignmentBytes({
    format: 1,
    group: 'edge',
    serial,
    filters: { 'ssh-auth': { release: release(percent, more) } },
  } as Assignment);

interface Context {
  world: World;
  one: SigningKey;
  two: SigningKey;
  file: string;
  remove: () => Promise<void>;
}

const proposals = suite<Context>('proposals');
proposals.before.each(async (context) => {
  const { path, remove } = await temporaryFolder();
  const [one, two] = [testKey('one'), testKey('two')];
  Object.assign(context, { one, two, file: join(path, 'proposal.json'), remove });
  context.world = await createWorld({ keys: { targets: [one, two] }, thresholds: { targets: 2 } });
  await context.world.push({ [PATH]: assignment(1, 10), [release(1).bundle]: 'a bundle' });
});
proposals.after.each(({ remove }) => remove());

const operatorOf = async ({ repository, state }: World) =>
  ({
    folder: { copy: NO_COPY },
    repository,
    state: await state(),
    now: () => NOW_MS,
  }) as unknown as Operator;
const known = (world: World) => ({ root: world.anchor, versions: {} });

/** Writes a change as a proposal, signed with these keys. */
async function propose({ world, file }: Context, change: Change, ...keys: SigningKey[]): Promise<void> {
  const proposal = await makeProposal(await operatorOf(world), ringOf(...keys), change, ACT);
  writeFileSync(file, proposalBytes(fileOf(proposal)));
}

async function publish(world: World, change: Change): Promise<void> {
  const ring = ringOf(...world.keys.snapshot, ...world.keys.timestamp);
  const edition = await composeEdition(world.repository, await world.state(), ring, NOW_MS, change);
  await writeEdition(world.repository, edition);
}

async function promotion({ world }: Context): Promise<Change> {
  return { targets: await draftChange(await operatorOf(world), new Map([[PATH, assignment(2, 50)]])) };
}

async function problemOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'accepted',
    (error) => (error instanceof WeirError ? `${error.code}: ${error.message}` : `NO CODE ${error.stack}`),
  );
}

proposals('a second signer sees what changes, signs that, and it is published', async (context) => {
  const { world, file, one, two } = context;
  await propose(context, await promotion(context), one);
  const found = await readProposal(file, known(world));
  assert.equal(wordsOf(found.base, found.change, found.before).slice(1), [
    'group edge: serial 1 -> 2',
    'group edge: ssh-auth: was ssh-auth@1.0.0+0123456789ab for 10 % (from ["auth"], rollout "0123456789abcdef", reason "logins", by "ann", at "2026-01-31T12:00:00Z"); others run NONE of it',
    'group edge: ssh-auth: will be ssh-auth@1.0.0+0123456789ab for 50 % (from ["auth"], rollout "0123456789abcdef", reason "logins", by "ann", at "2026-01-31T12:00:00Z"); others run NONE of it',
  ]);
  assert.throws(() => needAllSigned(found.base, found.change), /targets: expected 2 signatures, found 1/);
  const { proposal, names } = signProposal(found, ringOf(two, testKey('other')));
  assert.equal(names, ['two']);
  writeFileSync(file, proposalBytes(fileOf(proposal)));
  const { base, change, act } = await readProposal(file, known(world));
  needAllSigned(base, change);
  assert.equal(act, ACT);
  await publish(world, change);
  const trust = createTrust(`${file}.trust`, world.anchor);
  const update = await trust.update(world.repository.fetch, NOW_MS, PATH);
  assert.ok((await update?.target(PATH))?.equals(assignment(2, 50)));
});

proposals('whatever byte is another one: refused, or it means the same', async (context) => {
  const { world, file, one } = context;
  await propose(context, await promotion(context), one);
  const whole = readFileSync(file);
  const meant = await readProposal(file, known(world));
  const said = (proposal: typeof meant) =>
    JSON.stringify([
      ...wordsOf(proposal.base, proposal.change, proposal.before),
      proposal.act,
      dutiesOf(proposal.base, proposal.change),
    ]);
  let refused = 0;
  for (let at = 0; at < whole.length; at += 41) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ (1 << (at % 7));
    writeFileSync(file, bytes);
    const found = await readProposal(file, known(world)).catch((error) => error);
    if (found instanceof Error) {
      assert.instance(found, WeirError, `byte ${at}: ${found.stack}`);
      refused++;
    } else assert.is(said(found), said(meant), `byte ${at}`);
  }
  assert.ok(refused > (whole.length / 41) * 0.8, `${refused} of ${whole.length / 41}`);
});

/** Parsed JSON, of whatever shape. */
type Loose = ReturnType<typeof JSON.parse>;

/** The file with something in it changed. */
function forge(file: string, edit: (proposal: Loose) => void): void {
  const proposal = JSON.parse(readFileSync(file, 'utf8'));
  edit(proposal);
  writeFileSync(file, JSON.stringify(proposal));
}

proposals('what somebody on the way has changed', async (context) => {
  const { world, file, one } = context;
  const change = await promotion(context);
  const evil = Buffer.from(assignment(2, 100)).toString('base64');
  const forgeries: [RegExp, (proposal: Loose) => void][] = [
    [/expected what is to be signed, found other bytes/, ({ targets }) => (targets[0].contents[PATH] = evil)],
    [/expected what is to be signed, found nothing/, ({ targets }) => delete targets[0].contents[PATH]],
    [
      /expected it to be signed, found that it is not/,
      ({ targets }) => (targets[0].contents['filters/x'] = ''),
    ],
    [/expected it as it is published/, ({ base }) => (base.contents[PATH] = evil)],
    [/what it has signed is not what is here/, ({ act }) => (act.reason = 'another one')],
    [/expected it to have signed what the audit is told/, (proposal) => (proposal.vouchers = [])],
    [
      /expected its signature to be right, and to count/,
      ({ targets }) => (targets[0].metadata.signatures[0].sig = '00'.repeat(64)),
    ],
    [
      /METADATA_REFUSED.*targets was signed by 0\/2/,
      ({ base }) => (base.targets[0].metadata.signatures = []),
    ],
    [/act: expected what is done/, ({ act }) => (act.who = 'root')],
    [/act: expected what is done/, ({ act }) => (act.seq = 1)],
    [/expected one of the keys/, ({ targets }) => (targets[0].metadata.signed.more = 1)],
    [/expected one of the keys/, ({ targets }) => (targets[0].metadata.signed.targets[PATH].custom = {})],
    [/PROPOSAL_INVALID/, ({ targets }) => (targets[0].metadata.signed.targets['../root'] = {})],
    [/right after|expected its signature/, ({ targets }) => (targets[0].metadata.signed.version = 1_000)],
    [/PROPOSAL_INVALID/, (proposal) => (proposal.format = 2)],
    [/expected new targets of each role once/, ({ targets }) => targets.push(targets[0])],
    [/expected a change, found none/, (proposal) => (proposal.targets = [])],
    [/PROPOSAL_INVALID/, ({ base }) => (base.roots = [])],
  ];
  for (const [reason, edit] of forgeries) {
    await propose(context, change, one);
    forge(file, edit);
    const problem = await problemOf(readProposal(file, known(world)));
    assert.match(problem, reason, String(edit));
    assert.match(problem, /^(PROPOSAL_INVALID|METADATA_REFUSED): /);
  }
  for (const text of ['', '[]', '{"__proto__":{}}', '['.repeat(100_000), 'null']) {
    writeFileSync(file, text);
    assert.match(await problemOf(readProposal(file, known(world))), /^PROPOSAL_INVALID: /);
  }
  assert.match(await problemOf(readProposal(`${file}.none`, known(world))), /^PROPOSAL_INVALID: /);
  writeFileSync(file, Buffer.alloc(17 * 2 ** 20, ' '));
  assert.match(
    await problemOf(readProposal(file, known(world))),
    /^PROPOSAL_INVALID: .*up to 16777216 bytes/,
  );
});

proposals('of another fleet, and on what is older than what is known here', async (context) => {
  const { world, file, one } = context;
  await propose(context, await promotion(context), one);
  const other = await createWorld();
  assert.match(await problemOf(readProposal(file, known(other))), /^(METADATA_REFUSED|PROPOSAL_INVALID): /);
  const versions = { targets: 3 };
  const problem = await problemOf(readProposal(file, { root: world.anchor, versions }));
  assert.match(problem, /^PROPOSAL_OUTDATED: .*targets: expected to be made on version 3 or later, found 2/);
  await world.rotate({ root: [testKey('root-2')] });
  const { root } = await world.state();
  const later = { root: Buffer.from(JSON.stringify(root.toJSON())), versions: {} };
  assert.match(await problemOf(readProposal(file, later)), /^PROPOSAL_OUTDATED: .*follows root 2/);
  // Who has an older root follows it to the one that counts now.
  const { one: _, ...rest } = context;
  await propose({ ...rest, one }, await promotion(context), one);
  assert.is(await problemOf(readProposal(file, known(world))), 'accepted');
});

proposals('a root is signed by the keys before and by its own, on their machines', async (context) => {
  const { world, file } = context;
  const [old] = world.keys.root as [SigningKey];
  const fresh = testKey('fresh');
  const change = await withKeys(await operatorOf(world), 'root', { keys: [old, fresh], threshold: 2 });
  await propose(context, change);
  const found = await readProposal(file, known(world));
  assert.equal(wordsOf(found.base, found.change, found.before).slice(1), [
    `root: key ${fresh.id.slice(0, 12)} may sign from now on`,
    'root: 1 of 1 -> 2 of 2 have to sign',
  ]);
  const { proposal } = signProposal(found, ringOf(fresh));
  writeFileSync(file, proposalBytes(fileOf(proposal)));
  const second = signProposal(await readProposal(file, known(world)), ringOf(old)).proposal;
  writeFileSync(file, proposalBytes(fileOf(second)));
  const { base, change: signed } = await readProposal(file, known(world));
  assert.equal(
    dutiesOf(base, signed).map(({ who, signed: ids, threshold }) => [who, ids.length, threshold]),
    [
      ['root before', 1, 1],
      ['root', 2, 2],
    ],
  );
});

proposals('roles that come and go are told with what goes over to them', async (context) => {
  const { world, file, one, two } = context;
  const team = testKey('team');
  const words = async (change: Change) => {
    await propose(context, change);
    const found = await readProposal(file, known(world));
    return wordsOf(found.base, found.change, found.before);
  };
  const role = { name: 'edge', paths: [PATH], keys: [team], threshold: 1 };
  const change = await delegated(await operatorOf(world), role);
  assert.equal((await words(change)).slice(2), [
    `role edge alone may sign ${PATH}`,
    `edge: key ${team.id.slice(0, 12)} may sign from now on`,
    'edge: nobody -> 1 of 1 have to sign',
    `${PATH}: from targets to edge`,
  ]);
  await propose(context, change, one, two, team);
  await publish(world, (await readProposal(file, known(world))).change);
  assert.equal((await words(await undelegated(await operatorOf(world), 'edge'))).slice(1), [
    'role edge is taken away; before, it alone could sign assignments/edge.json',
    `edge: key ${team.id.slice(0, 12)} may not sign any more`,
    'edge: 1 of 1 -> nobody have to sign',
    `${PATH}: from edge to targets`,
  ]);
});

proposals('a base of which a role was left out', async (context) => {
  const { world, file, one, two } = context;
  const team = testKey('team');
  const change = await delegated(await operatorOf(world), {
    name: 'net',
    paths: ['filters/net-*'],
    keys: [team],
    threshold: 1,
  });
  await propose(context, change, one, two, team);
  await publish(world, (await readProposal(file, known(world))).change);
  await propose(context, await promotion(context), one);
  forge(file, ({ base }) => base.targets.pop());
  assert.match(await problemOf(readProposal(file, known(world))), /expected the targets of net, found none/);
});

proposals(
  'targets that only revoked keys have signed are shown to whoever signs them anew',
  async (context) => {
    const { world, file } = context;
    const before = world.repository.copy();
    await world.rotate({ targets: [testKey('three'), testKey('four')] });
    const root = world.repository.files.get('metadata/2.root.json')?.bytes as Buffer;
    world.repository.files.clear();
    for (const [path, { bytes }] of before) world.repository.set(path, bytes);
    world.repository.set('metadata/2.root.json', root);
    await propose(context, await renewed(await operatorOf(world), 'targets'));
    const found = await readProposal(file, known(world));
    const words = wordsOf(found.base, found.change, found.before);
    assert.match(words[0] as string, 'targets: signed with keys that do not count any more');
    assert.match(words[1] as string, new RegExp(`^${PATH} \\(targets\\): SHA-256 [0-9a-f]{64}$`));
    assert.is(words.length, 4);
  },
);

proposals.run();
