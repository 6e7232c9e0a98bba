/**
 * `weir fleet audit`: what was done, and that nobody leaves out, changes or adds an entry unseen.
 */
import { connect } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Assignment } from '../../host/fleet/assignment.js';
import { appendEntry, type AuditEntry, type AuditHead, headOf } from '../../host/fleet/audit.js';
import { type ChainReport, createProof, type Evidence } from '../../host/fleet/auditproof.js';
import { readProved } from '../../host/fleet/auditread.js';
import { auditKey, signEntry, signerOf } from '../../host/fleet/auditsign.js';
import { proofLines } from '../../host/fleet/audittext.js';
import { AUDIT_MARKS_MAX } from '../../host/fleetlimits.js';
import { AUDIT_STREAM, FLEET_AUDIT_SUBJECT, FLEET_STREAM } from '../../host/wire.js';
import { brokerAvailable } from '../broker.js';
import { until, WAIT_MS } from '../help.js';
import { fleetSuite, releaseOf, statusOf } from './operators.js';
import { testKey } from './world.js';

const OURS = 'weir.audit.fw';
const key = testKey('timestamp');
const keys = new Map([[key.id, key.public]]);

/** Lines of a chain, each behind the one before. */
function chainOf(count: number, who = 'fw', make = (entry: AuditEntry) => entry): string[] {
  const lines: string[] = [];
  for (let at = 1; at <= count; at++) {
    const { seq, digest: prev } = headOf(lines.at(-1));
    const entry = { seq: seq + 1, prev, ts: at, who, action: 'swapped', filter: 'f', after: `f@1.${at}.0` };
    lines.push(JSON.stringify(make(entry)));
  }
  return lines;
}

const signed = (count: number) => chainOf(count, 'ann', (entry) => signEntry(entry, key));

const NOTHING: Evidence = {
  heads: new Map(),
  keys,
  assignments: [],
  unreadable: new Map(),
  known: new Set(),
};

/** What is found in a chain. */
function findingsIn(subject: string, lines: readonly string[], evidence: Partial<Evidence> = {}) {
  const proof = createProof({ ...NOTHING, ...evidence });
  for (const line of lines) proof.take(subject, line);
  return proof.result().flatMap(({ findings }) => findings);
}

const headsOf = (head: AuditHead) => ({ heads: new Map([['fw', head]]) });

const proofs = suite('proof of the audit');

proofs('a whole chain is whole, as far as its status knows it', () => {
  const lines = chainOf(5);
  assert.equal(findingsIn(OURS, lines), []);
  for (const line of lines) assert.equal(findingsIn(OURS, lines, headsOf(headOf(line))), []);
  assert.equal(findingsIn(OURS, [], headsOf({ seq: 0, digest: '' })), []);
});

proofs('an entry that was changed, left out, added or moved shows', () => {
  const lines = chainOf(5);
  const [one = '', two = '', three = '', four = '', five = ''] = lines;
  const changed = three.replace('f@1.3.0', 'f@6.6.6');
  assert.equal(findingsIn(OURS, [one, two, changed, four, five]), [
    'entry 4: the one before it is not what it was',
  ]);
  assert.equal(findingsIn(OURS, [one, two, four, five]), ['entry 4: expected entry 3']);
  assert.equal(findingsIn(OURS, [one, three, two, four, five]), [
    'entry 3: expected entry 2',
    'entry 2: expected entry 4',
    'entry 4: expected entry 3',
  ]);
  assert.equal(findingsIn(OURS, [one, one]), ['entry 1: expected entry 2']);
  assert.equal(findingsIn(OURS, lines.slice(1)), ['entry 2: expected the chain to begin with entry 1']);
  assert.equal(findingsIn(OURS, [one, 'not an entry', two]), [
    'after entry 1: expected an entry, found something else',
  ]);
  assert.equal(findingsIn(OURS, chainOf(1, 'other')), ['entry 1: expected one of fw']);
});

proofs('a chain that was cut off, or written anew, is not the one that the status names', () => {
  const lines = chainOf(5);
  const end = headOf(lines.at(-1));
  const named = 'expected entry 5, as the status of the appliance names it, found';
  assert.equal(findingsIn(OURS, lines.slice(0, 3), headsOf(end)), [`${named} it to end with entry 3`]);
  assert.equal(findingsIn(OURS, [], headsOf(end)), [`${named} it to end with entry 0`]);
  const anew = chainOf(5, 'fw', (entry) => ({ ...entry, reason: 'all is well' }));
  assert.equal(findingsIn(OURS, anew, headsOf(end)), [`${named} another one in its place`]);
});

proofs("operators' entries are signed by keys of the fleet, in their place", () => {
  const lines = signed(3);
  assert.equal(findingsIn(FLEET_AUDIT_SUBJECT, lines), []);
  assert.is(signerOf(lines[0] as string, keys), key.id);
  const refused = (line: string) => {
    assert.is(signerOf(line, keys), undefined);
    return findingsIn(FLEET_AUDIT_SUBJECT, [line]);
  };
  const expected = 'entry 1: expected a signature by a key of the fleet, found';
  const other = `${expected} one that is none of them, or of another entry`;
  assert.equal(refused(chainOf(1)[0] as string), [`${expected} none`]);
  const stranger = testKey('stranger');
  assert.equal(refused(chainOf(1, 'ann', (entry) => signEntry(entry, stranger))[0] as string), [other]);
  assert.equal(refused((lines[0] as string).replace('"ann"', '"bob"')), [other]);
  assert.equal(refused((lines[0] as string).replace(/"sig":"../, '"sig":"zz')), [other]);
  assert.equal(refused((lines[0] as string).replace(/"key":"[^"]*"/, '"key":["a"]')), [other]);
  // With one left out all that follow would have to be signed anew.
  const without = signed(2).map((line) => JSON.parse(line));
  const moved = JSON.stringify({ ...without[1], seq: 1, prev: '' });
  assert.equal(refused(moved), [other]);
});

proofs('a release that is assigned without an entry shows that the end is missing', () => {
  const release = releaseOf('1.0.0');
  const assignment: Assignment = { format: 1, group: 'edge', serial: 1, filters: { f: { release } } };
  const pushed = chainOf(1, 'ann', (entry) =>
    signEntry(
      { ...entry, action: 'pushed', after: `x@1.0.0, ${release.version}`, by: release.by, at: release.at },
      key,
    ),
  );
  const evidence = { assignments: [assignment] };
  assert.equal(findingsIn(FLEET_AUDIT_SUBJECT, pushed, evidence), []);
  const missing = `f of edge: ${release.version}, assigned by ann at ${release.at}: expected a signed entry of that, found none`;
  assert.equal(findingsIn(FLEET_AUDIT_SUBJECT, signed(3), evidence), [missing]);
  assert.equal(findingsIn(FLEET_AUDIT_SUBJECT, [], evidence), [missing]);
});

proofs('of much that is wrong the first is told, and how much', () => {
  const proof = createProof(NOTHING);
  for (let at = 0; at < 1_000; at++) proof.take(OURS, 'x');
  const [report] = proof.result();
  assert.equal([report?.findings.length, report?.wrong, report?.entries], [10, 1_000, 1_000]);
});

proofs('what an operator has acknowledged is no finding, and nothing else is covered by that', () => {
  const lines = chainOf(5).slice(2);
  const proofOf = (found: readonly string[], known: readonly string[] = []) => {
    const proof = createProof({ ...NOTHING, known: new Set(known) });
    for (const line of found) proof.take(OURS, line);
    return { report: proof.result()[0], marks: proof.marks() };
  };
  const { marks } = proofOf(lines);
  assert.is(marks.length, 1);
  const { report } = proofOf(lines, marks);
  assert.equal([report?.wrong, report?.known, report?.findings], [0, 1, []]);
  const [text = ''] = proofLines([report as ChainReport]);
  assert.is(text, 'fw: 3 entries, whole, but for 1 that operators have acknowledged');
  // Somebody writes the chain anew, from the same entry on.
  const other = lines.map((line) => line.replace('f@1.3.0', 'f@6.6.6'));
  assert.is(proofOf(other, marks).report?.wrong, 2);
  assert.is(proofOf(lines.slice(1), marks).report?.wrong, 1);
  const many = Array.from({ length: AUDIT_MARKS_MAX + 1 }, (_, at) => `x${at}`);
  assert.is(proofOf(many).marks.length, AUDIT_MARKS_MAX);
  assert.is(proofOf(many, proofOf(many).marks).report?.wrong, 1);
});

proofs.run();

const command = fleetSuite('weir fleet audit');

command('prints what operators and appliances have done, and proves that it is whole', async ({ fleet }) => {
  const release = releaseOf('1.0.0');
  await fleet.assign('edge', { f: { release } });
  await fleet.note('fw', { action: 'assigned', serial: 1 });
  const head = await fleet.note('fw', {
    action: 'swapped',
    filter: 'f',
    before: null,
    after: release.version,
    reason: 'logins\u001b[2J',
    ticket: 'T-7',
  });
  await fleet.say('fw', statusOf('fw', release, { audit: head }));
  const { code, out, err } = await fleet.weirFleet('audit', '--verify');
  assert.equal([code, err], [0, ''], out);
  assert.match(
    out,
    /^\S+ operator ann #1 fleet made by="ann" key=[0-9a-f]{12}\n\S+ operator ann #2 pushed nothing -> f@1\.0\.0\S+ group="edge" /m,
  );
  assert.match(
    out,
    /\S+ fw #2 swapped f nothing -> f@1\.0\.0\+\S+ reason="logins\\u001b\[2J" ticket="T-7"\n/,
  );
  assert.match(out, /\noperators: 2 entries, whole\nfw: 2 entries, whole\n$/);
  const one = JSON.parse(
    (await fleet.weirFleet('audit', '--appliance', 'fw', '--since', '1h', '--json')).out,
  );
  assert.equal(
    one.entries.map(({ appliance, entry }: { appliance: string; entry: AuditEntry }) => [
      appliance,
      entry.action,
    ]),
    [
      ['fw', 'assigned'],
      ['fw', 'swapped'],
    ],
  );
  const none = await fleet.weirFleet('audit', '--since', '0s', '--appliance', 'fw');
  assert.equal([none.code, none.out], [0, '']);
  await fleet.say('quiet', statusOf('quiet', undefined));
  assert.is((await fleet.weirFleet('audit', '--appliance', 'quiet')).code, 0, 'it has a status');
  const unknown = await fleet.weirFleet('audit', '--appliance', 'fw-99', '--verify');
  assert.equal([unknown.code, unknown.out], [1, '']);
  assert.match(unknown.err, /^weir: APPLIANCE_UNKNOWN: appliance fw-99: expected one of fw, quiet; name an /);
});

command('tells what is wrong, whoever did it', async ({ fleet }) => {
  const publish = (subject: string, entry: object) =>
    fleet.broker.publish({ subject, headers: {}, body: Buffer.from(JSON.stringify(entry)) });
  // Somebody on the broker in the name of an operator, without a key.
  const last = await fleet.broker.value(FLEET_STREAM, FLEET_AUDIT_SUBJECT);
  const { seq, digest: prev } = headOf(Buffer.from(last?.bytes ?? '').toString());
  await publish(FLEET_AUDIT_SUBJECT, { seq: seq + 1, prev, ts: Date.now(), who: 'ann', action: 'pushed' });
  // An appliance that has left one out, one that was replaced, one with rubbish, and one whose chain nobody has.
  const [first = '', , third = ''] = chainOf(3, 'holey');
  for (const line of [first, third]) await publish('weir.audit.holey', JSON.parse(line));
  await fleet.note('new', { action: 'assigned' });
  const replaced = headOf(chainOf(1, 'new')[0]);
  await fleet.say('new', statusOf('new', undefined, { audit: replaced }));
  await publish('weir.audit.odd', ['\u001b[2J']);
  const { code, out } = await fleet.weirFleet('audit', '--verify');
  assert.is(code, 1);
  assert.match(out, 'operators: entry 2: expected a signature by a key of the fleet, found none\n');
  assert.match(out, 'holey: entry 3: expected entry 2\n');
  assert.match(
    out,
    'new: expected entry 1, as the status of the appliance names it, found another one in its place\n',
  );
  assert.match(out, 'odd: after entry 0: expected an entry, found something else\n');
  assert.match(out, ' odd what is no entry\n');
  assert.not.match(out, '\u001b');
  assert.is((await fleet.weirFleet('audit')).code, 0, 'without --verify nothing is judged');
});

command('what was interrupted is completed by the next command, signed and once', async ({ fleet }) => {
  const publish = fleet.broker.publish;
  fleet.broker.publish = (message, follows) =>
    message.subject === FLEET_AUDIT_SUBJECT ? Promise.reject(new Error('cut')) : publish(message, follows);
  const release = releaseOf('1.0.0', { percent: 10 });
  const error = await fleet.assign('edge', { f: { release } }).catch((thrown) => thrown);
  assert.is(error.message, 'cut');
  // Who only looks does not need a key, and completes nothing.
  const missing = await fleet.weirFleet('audit', '--verify');
  assert.is(missing.code, 1);
  assert.match(
    missing.out,
    /operators: f of edge: f@1\.0\.0\S+, assigned by ann at \S+: expected a signed entry of that/,
  );
  const promoted = await fleet.weirFleet('promote', 'f', '--group', 'edge', '--percent', '20');
  assert.is(promoted.code, 0, promoted.err);
  assert.match(promoted.err, 'completing what was interrupted: pushed');
  const { code, out } = await fleet.weirFleet('audit', '--verify');
  assert.is(code, 0, out);
  assert.match(out, /#2 pushed .*\n.*#3 promoted .*\n.*operators: 3 entries, whole\n$/);
});

command('an entry that is on its way yet is waited for', async ({ fleet }) => {
  const [one = '', two = ''] = chainOf(2);
  const publish = (line: string) =>
    fleet.broker.publish({ subject: OURS, headers: {}, body: Buffer.from(line) });
  await publish(one);
  await fleet.say('fw', statusOf('fw', undefined, { audit: headOf(two) }));
  // It asks before it reads and when it has read.
  let asked = 0;
  fleet.broker.subscribe('$JS.API.STREAM.INFO.WEIR_AUDIT', () => asked++);
  await fleet.broker.flush();
  const proved = fleet.weirFleet('audit', '--verify');
  await until(() => asked >= 2, WAIT_MS, 'it has read');
  await publish(two);
  const { code, out } = await proved;
  assert.is(code, 0, out);
});

command('what a broker has lost is wrong until an operator signs that he knows it', async ({ fleet }) => {
  const release = releaseOf('1.0.0');
  await fleet.assign('edge', { f: { release } });
  const connection = await connect({ servers: [fleet.server.url] });
  const manager = await connection.jetstreamManager();
  const lose = async () => {
    for (const name of [AUDIT_STREAM, FLEET_STREAM]) await manager.streams.delete(name);
    await fleet.broker.ensureFleetStreams();
  };
  await lose();
  // The chain of an appliance that has only its latest entries.
  for (const line of chainOf(5).slice(2))
    await fleet.broker.publish({ subject: OURS, headers: {}, body: Buffer.from(line) });
  const verify = () => fleet.weirFleet('audit', '--verify');
  const before = await verify();
  assert.is(before.code, 1);
  const { marks } = await readProved(await fleet.operator(), undefined, 0);
  assert.is(marks.length, 2);

  // Who has stolen a key of the machine that renews the timestamp.
  const timestamp = auditKey((await fleet.operator()).state.root, fleet.ring, ['timestamp']);
  await appendEntry(fleet.broker, FLEET_AUDIT_SUBJECT, ({ seq, digest: prev }) =>
    signEntry(
      { seq: seq + 1, prev, ts: Date.now(), who: 'ann', action: 'audit acknowledged', known: marks },
      timestamp,
    ),
  );
  const forged = await verify();
  assert.equal([forged.code, forged.out.match(/ wrong$/gm)?.length], [1, 2], forged.out);

  const signed = await fleet.weirFleet('acknowledge', '--reason', 'the disk was lost');
  assert.equal([signed.code, signed.out], [0, 'acknowledged: 2 findings\n'], signed.err);
  assert.match(signed.err, 'f of edge: f@1.0.0');
  const after = await verify();
  assert.is(after.code, 0, after.out);
  assert.match(after.out, /operators: 2 entries, whole, but for 1 that operators have acknowledged\n/);
  assert.match(after.out, /fw: 3 entries, whole, but for 1 that operators have acknowledged\n/);
  const one = await fleet.weirFleet('audit', '--verify', '--appliance', 'fw');
  assert.is(one.out.split('\n').at(-2), 'fw: 3 entries, whole, but for 1 that operators have acknowledged');
  // What may be years of entries goes over the network once.
  const operator = await fleet.operator();
  const asked: string[] = [];
  const read: typeof operator.broker.read = (options, each) => {
    if ([AUDIT_STREAM, FLEET_STREAM].includes(options.stream ?? '')) asked.push(options.subject ?? 'all');
    return operator.broker.read(options, each);
  };
  await readProved({ ...operator, broker: { ...operator.broker, read } }, undefined, 0);
  assert.equal(asked, [FLEET_AUDIT_SUBJECT, 'weir.audit.*']);
  assert.match(
    after.out,
    /audit acknowledged reason="the disk was lost" .*expected the chain to begin with entry 1/,
  );
  const nothing = await fleet.weirFleet('acknowledge', '--reason', 'again');
  assert.equal([nothing.code, nothing.out], [0, 'nothing is wrong with the audit\n']);

  await lose();
  assert.is((await verify()).code, 1, 'what was acknowledged is gone with it');
  await connection.close();
});

if (brokerAvailable()) command.run();
