/**
 * An audit that takes nothing: no release goes on without its entry, nobody is kept from taking one back, and what is owed is told and written later.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type JetStreamManager, type NatsConnection } from 'nats';
import * as assert from 'uvu/assert';
import type { AuditEntry } from '../../host/fleet/audit.js';
import { openFleetFolder } from '../../host/fleet/folder.js';
import { filePaths } from '../../host/fleet/repository.js';
import { AUDIT_OWED_MAX, FLEET_AUDIT_BYTES_MAX } from '../../host/fleetlimits.js';
import {
  ANNOUNCE_SUBJECT,
  AUDIT_STREAM,
  auditSubject,
  FLEET_AUDIT_SUBJECT,
  FLEET_STREAM,
  REPOSITORY_STREAM,
  STATUS_STREAM,
} from '../../host/wire.js';
import { brokerAvailable } from '../broker.js';
import { saidHere } from '../command.js';
import { codeOf } from './fleets.js';
import { fleetSuite, releaseOf, type TestFleet } from './operators.js';

interface Context {
  fleet: TestFleet;
  connection: NatsConnection;
  manager: JetStreamManager;
}

const owed = fleetSuite<Context>('an audit that takes nothing');
owed.before.each(async (context) => {
  context.connection = await connect({ servers: [context.fleet.server.url] });
  context.manager = await context.connection.jetstreamManager();
  const [before, release] = [releaseOf('1.0.0'), releaseOf('2.0.0', { percent: 10 })];
  await context.fleet.assign('edge', { f: { release, before } });
});
owed.after.each(({ connection }) => connection.close());

async function fill({ manager }: Context, stream: string): Promise<void> {
  // Of an empty one no message fits; with less than it holds the broker would throw out what is there.
  const { bytes } = (await manager.streams.info(stream)).state;
  await manager.streams.update(stream, { max_bytes: Math.max(1, bytes) });
}
const giveRoom = ({ manager }: Context) =>
  manager.streams.update(FLEET_STREAM, { max_bytes: FLEET_AUDIT_BYTES_MAX });
const rollback = ({ fleet }: Context) =>
  fleet.weirFleet('rollback', 'f', '--group', 'edge', '--reason', 'it does harm');
const promote = ({ fleet }: Context, percent = '50') =>
  fleet.weirFleet('promote', 'f', '--group', 'edge', '--percent', percent);
const refresh = ({ fleet }: Context, folder = fleet.folder.path) => {
  const passphrase = ['--passphrase-file', join(fleet.path, 'passphrase')];
  return saidHere(['fleet', 'refresh', '--fleet', folder, '--server', fleet.server.url, ...passphrase]);
};
const versionOf = async ({ fleet }: Context) =>
  String((await fleet.assigned('edge'))?.filters.f?.release.version);
owed('appliances cannot take the room of operators', async (context) => {
  const { fleet } = context;
  await fill(context, AUDIT_STREAM);
  const forged = { subject: auditSubject('fw'), headers: {}, body: Buffer.from('x') };
  assert.match(await codeOf(fleet.broker.publish(forged)), /^STREAM_FULL/);
  for (const done of [await promote(context), await rollback(context)]) assert.is(done.code, 0, done.err);
  const { code, out } = await fleet.weirFleet('audit', '--verify');
  assert.equal([code, out.split('\n').at(-2)], [0, 'operators: 4 entries, whole'], out);
});

owed('without room a release does not go on, and nothing was changed', async (context) => {
  const { fleet } = context;
  await fill(context, FLEET_STREAM);
  const before = await filePaths(fleet.broker);
  const announced: string[] = [];
  fleet.broker.subscribe(ANNOUNCE_SUBJECT, (subject) => announced.push(subject));
  const full = /STREAM_FULL: stream WEIR_FLEET: expected room for 65536 bytes of audit, found 0; nothing was/;
  const { code, err } = await promote(context);
  assert.is(code, 1);
  assert.match(err, full);
  assert.match(await codeOf(fleet.assign('edge', { f: { release: releaseOf('3.0.0') } })), full);
  await context.manager.streams.delete(FLEET_STREAM);
  assert.match((await promote(context)).err, 'STREAM_SILENT: stream WEIR_FLEET: expected one, found none');
  await fleet.broker.flush();
  assert.equal(await filePaths(fleet.broker), before);
  assert.is((await fleet.assigned('edge'))?.filters.f?.release.percent, 10);
  assert.equal([announced, fleet.folder.pending(), fleet.folder.owed()], [[], undefined, []]);
});

owed(
  'streams that are full are named, since what is missing in them looks like something else',
  async (context) => {
    const { fleet } = context;
    const full = 'WEIR_STATUS is full: what appliances or operators have said since may be missing here';
    assert.not.match((await fleet.weirFleet('status')).out, 'is full');
    await fill(context, STATUS_STREAM);
    const status = await fleet.weirFleet('status');
    assert.is(status.code, 1);
    assert.match(status.out, `stream ${full}`);
    assert.equal(JSON.parse((await fleet.weirFleet('status', '--json')).out).full, [STATUS_STREAM]);
    await fill(context, AUDIT_STREAM);
    assert.match((await fleet.weirFleet('audit', '--verify')).out, 'stream WEIR_AUDIT is full');
  },
);

owed('what fills the repository does not go on, so that there is room to take it back', async (context) => {
  const { fleet, manager } = context;
  const { bytes } = (await manager.streams.info(REPOSITORY_STREAM)).state;
  const giveRepository = (more: number) =>
    manager.streams.update(REPOSITORY_STREAM, { max_bytes: bytes + more });
  await giveRepository(200_000);
  const full =
    /STREAM_FULL: stream KV_WEIR_REPO: expected room for \d+ bytes of this and of what takes it back, found 200000; nothing was changed/;
  const refused = await promote(context);
  assert.is(refused.code, 1);
  assert.match(refused.err, full);
  assert.is(fleet.folder.pending(), undefined);
  await giveRepository(300_000);
  for (const done of [await promote(context), await rollback(context)]) assert.is(done.code, 0, done.err);
});

owed('a release is taken back all the same, and its entry is told until it is written', async (context) => {
  const { fleet } = context;
  await fill(context, FLEET_STREAM);
  let announced = 0;
  fleet.broker.subscribe(ANNOUNCE_SUBJECT, () => announced++);
  await fleet.broker.flush();
  const back = await rollback(context);
  assert.is(back.code, 1);
  const what = 'rolled back f \\(f@1\\.0\\.0\\S+\\) for 100 % of edge';
  const told = `AUDIT_OWED: ${what}: the change IS in force; its entry of the audit is owed: it is written by the next command when there is room: `;
  assert.match(back.err, new RegExp(told));
  assert.match(await versionOf(context), /^f@1\.0\.0/);
  await fleet.broker.flush();
  assert.is(announced, 1);

  const line = new RegExp(`fleet: in force, and owed to the audit: ${what}; the next command that signs`);
  for (const args of [['status'], ['audit', '--verify']]) {
    const looked = await fleet.weirFleet(...args);
    assert.match(looked.err, line);
    const { owed } = JSON.parse((await fleet.weirFleet(...args, '--json')).out);
    assert.is(owed.length, 1);
    assert.match(owed[0], new RegExp(what));
  }
  assert.is((await fleet.weirFleet('audit', '--verify')).code, 1);
  // What signs next is not refused for it, and is owed as well.
  const next = await refresh(context);
  assert.match(next.err, line);
  assert.match(next.err, /AUDIT_OWED: refreshed: the change IS in force/);
  assert.is(fleet.folder.owed().length, 2);

  const doneMs = Date.now();
  // Whoever has a copy of the folder owes the same, once.
  const copy = join(fleet.path, 'copy-of-fleet');
  cpSync(fleet.folder.path, copy, { recursive: true });
  await giveRoom(context);
  const paid = await refresh(context);
  assert.is(paid.code, 0, paid.err);
  assert.match(paid.err, new RegExp(`fleet: the audit has now what was owed: ${what}\n.*: refreshed\n`));
  const again = await refresh(context, copy);
  assert.is(again.code, 0, again.err);
  for (const folder of [fleet.folder, openFleetFolder(copy)]) assert.equal(folder.owed(), []);
  const { code, out } = await fleet.weirFleet('audit', '--verify');
  assert.is(code, 0, out);
  assert.match(out, /#3 rolled back .*\n.*#4 refreshed .*\n.*#5 refreshed .*\n.*#6 refreshed /);
  assert.match(out, 'operators: 6 entries, whole');
  const { entries } = JSON.parse((await fleet.weirFleet('audit', '--json')).out);
  const times = entries.map(({ entry }: { entry: AuditEntry }) => entry.ts <= doneMs);
  assert.equal(times, [true, true, true, true, false, false], 'when it was done, not when it was written');
});

owed('what was interrupted before its entry keeps nobody from taking it back', async (context) => {
  const { fleet } = context;
  const { publish } = fleet.broker;
  fleet.broker.publish = (message, follows) =>
    message.subject === FLEET_AUDIT_SUBJECT ? Promise.reject(new Error('cut')) : publish(message, follows);
  const [before, release] = [releaseOf('1.0.0'), releaseOf('6.6.6')];
  assert.is(await codeOf(fleet.assign('edge', { f: { release, before } })), 'Error: cut');
  await fill(context, FLEET_STREAM);
  const { err } = await rollback(context);
  assert.match(
    err,
    /completing what was interrupted: pushed in edge\n.*pushed in edge: the change IS in force/,
  );
  assert.match(err, /AUDIT_OWED: rolled back f/);
  assert.match(await versionOf(context), /^f@1\.0\.0/);
  await giveRoom(context);
  assert.is((await refresh(context)).code, 0);
  const { code, out } = await fleet.weirFleet('audit', '--verify');
  assert.is(code, 0, out);
  assert.match(out, /#3 pushed .*\n.*#4 rolled back .*\n.*#5 refreshed /);
});

owed('so many entries may be owed; with more nothing is published', async (context) => {
  const { fleet } = context;
  await fill(context, FLEET_STREAM);
  fleet.folder.setOwed(Array.from({ length: AUDIT_OWED_MAX }, (_, id) => ({ action: 'refreshed', id })));
  const proved = await fleet.weirFleet('audit', '--verify');
  assert.equal([proved.code, proved.out.split('\n').at(-2)], [1, 'operators: 2 entries, whole']);
  const { code, err } = await refresh(context);
  assert.is(code, 1);
  assert.match(
    err,
    /STREAM_FULL: .*: expected fewer than 1000 entries that are owed to the audit, found 1000; /,
  );
});

if (brokerAvailable()) owed.run();
