/**
 * What operators see of a host that is in a fleet, from its first assignment to the page for auditors.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleHash, bundlePath, packBundle, unpackBundle } from '../../host/fleet/bundle.js';
import { STATUS_EVERY_MS } from '../../host/limits.js';
import { brokerAvailable } from '../broker.js';
import { type Appliance, createAppliance } from '../chaos/appliance.js';
import { endAll } from '../command.js';
import { until, WAIT_MS } from '../help.js';
import { answered, echoParts, file } from './bundles.js';
import { releaseOf, startFleet, statusOf, type TestFleet } from './operators.js';

interface Context {
  fleet: TestFleet;
  /** Bundles of the filter `echo`, by version. */
  bundles: Map<string, { path: string; label: string; bytes: Uint8Array }>;
  host: Appliance | undefined;
}

const seen = suite<Context>('a host in a fleet');
seen.before(async (context) => {
  const { project, parts } = await echoParts();
  context.bundles = new Map();
  for (const version of ['1.0.0', '1.1.0']) {
    const manifest = file(
      answered('echo', { version, dead_letter: 'length', excludes: 'What is | not a line.' }),
    );
    const bytes = packBundle({ ...parts, manifest });
    const { label } = unpackBundle(bytes);
    context.bundles.set(version, { path: bundlePath(label), label, bytes });
  }
  await project.remove();
});
seen.before.each(async (context) => {
  context.fleet = await startFleet();
});
seen.after.each(async ({ fleet, host }) => {
  await host?.kill();
  await endAll();
  await fleet.stop();
});

/** Assigns a version of it. */
async function assign({ fleet, bundles }: Context, version: string, part: object = {}) {
  const { path, label, bytes } = bundles.get(version) as { path: string; label: string; bytes: Uint8Array };
  const before = (await fleet.assigned('edge'))?.filters.f?.release;
  const release = releaseOf(version, { version: label, bundle: path, ...part });
  const both = new Map([...bundles.values()].map((one) => [one.path, one.bytes]));
  both.set(path, bytes);
  await fleet.assign('edge', { f: before ? { release, before } : { release } }, both);
  return release;
}

/** A status as it was heard. */
interface Heard {
  readonly uptime_ms: number;
  readonly filters: { readonly f?: { readonly running: string } };
  readonly fleet: { readonly runs: Record<string, string>; readonly serial: number };
}

seen('says at once what it has made of an assignment, and the broker keeps it', async (context) => {
  const { fleet, bundles } = context;
  const heard: Heard[] = [];
  fleet.broker.subscribe('weir.status.fw', (_subject, _headers, body) =>
    heard.push(JSON.parse(Buffer.from(body).toString())),
  );
  const first = await assign(context, '1.0.0');
  writeFileSync(join(fleet.path, 'app.log'), '');
  const host = createAppliance(join(fleet.path, 'host'), {
    appliance: 'fw',
    nats: { servers: [fleet.server.url] },
    sources: { log: { file: '../app.log' } },
    fleet: { group: 'edge', root: join(fleet.folder.path, 'root.json') },
  });
  context.host = host;
  host.start();
  const runs = (rollout: string) => heard.findIndex(({ fleet }) => fleet.runs.f === rollout);
  await until(() => runs(first.rollout) >= 0, WAIT_MS, 'the first release').catch((error) => {
    throw new Error(`${error.message}: ${host.output()}`);
  });
  const second = await assign(context, '1.1.0', { percent: 0 });
  const step = ['promote', 'f', '--group', 'edge', '--auto', '--soak', '1s', '--step-time', '30s'];
  const promoted = await fleet.weirFleet(...step);
  assert.equal([promoted.code, promoted.out], [0, 'f: for all of edge\n'], promoted.err);
  const at = runs(second.rollout);
  const [before, now] = [heard[at - 1], heard[at]] as [Heard, Heard];
  assert.is(now.filters.f?.running, bundles.get('1.1.0')?.label);
  // It did not wait for its time.
  assert.ok(now.uptime_ms - before.uptime_ms < STATUS_EVERY_MS);

  const status = await fleet.weirFleet('status');
  assert.is(status.code, 0, status.out);
  assert.match(status.out, /\n {2}fw +\d+s +f +release +echo@1\.1\.0\+[0-9a-f]{12}( +on probation)?\n/);
  const audit = await fleet.weirFleet('audit', '--verify');
  assert.is(audit.code, 0, audit.out);
  assert.match(
    audit.out,
    / fw #\d+ swapped f echo@1\.0\.0\S+ -> echo@1\.1\.0\S+ reason="logins of the edge" by="ann"/,
  );
  assert.match(audit.out, /\nfw: \d+ entries, whole\n/);
  assert.is(await host.stop(), 0);
});

seen('what a group collects is a page', async (context) => {
  const { fleet, bundles } = context;
  await assign(context, '1.0.0', {
    ticket: 'T-1',
    config: { redact_key: 'secret key', deep: [{ redact_key: 'x' }] },
  });
  await assign(context, '1.1.0', { percent: 25, reason: 'more\nlogins', not_before: '2026-02-01T00:00:00Z' });
  const { code, out, err } = await fleet.weirFleet('policy', '--group', 'edge');
  assert.equal([code, err], [0, '']);
  for (const expected of [
    '# What is collected by the group edge\n',
    '## f: 25 % of the group\n',
    '## f: 75 % of the group\n',
    '**Purpose.** ',
    '**Selected.** ',
    '**Not selected.** What is \\| not a line.\n',
    '**Retention.** Records are kept for 90 days.\n',
    '**Owner.** Security operations\n',
    '| each line | `weir.ev.<appliance>.f.lines` |\n',
    '| of an event at which the filter is at fault: only how long it was | `weir.dead.<appliance>.f` |\n',
    '| assigned to edge by | ann, on 2026-01-31T12:00:00Z |\n',
    '| because | more\\\\u000alogins |\n',
    '| ticket | T-1 |\n',
    '| not before | 2026-02-01T00:00:00Z |\n',
    '| sources read | log |\n',
    `| SHA-256 of the bundle | ${bundleHash(bundles.get('1.0.0')?.bytes as Uint8Array)}, signed by the role targets |\n`,
    '"redact_key": "***"',
    '| root | ',
    '| targets | ',
  ])
    assert.ok(out.includes(expected), `${expected}\nin\n${out}`);
  assert.not.match(out, 'secret key');
  const json = JSON.parse((await fleet.weirFleet('policy', '--group', 'edge', '--json')).out);
  assert.equal(
    [
      json.schema,
      json.serial,
      json.filters.map(({ percent, version }: Record<string, unknown>) => [percent, version]),
    ],
    [
      1,
      2,
      [
        [25, bundles.get('1.1.0')?.label],
        [75, bundles.get('1.0.0')?.label],
      ],
    ],
  );
  const [root, targets] = json.approvals;
  assert.equal([root.role, root.threshold, root.signed], ['root', 1, root.keys]);
  assert.equal([targets.role, targets.threshold, targets.signed], ['targets', 1, targets.keys]);
  for (const args of [['policy'], ['promote', 'f', '--percent', '50'], ['promote', 'f', '--auto']]) {
    const none = await fleet.weirFleet(...args, '--group', 'nowhere');
    assert.is(none.code, 1);
    assert.match(none.err, /GROUP_UNKNOWN: group nowhere: expected one of /);
  }
  await fleet.say('p-1', statusOf('p-1', undefined, { group: 'bare' }));
  const bare = await fleet.weirFleet('policy', '--group', 'bare');
  assert.match(bare.err, 'ROLLOUT_REFUSED: group bare: expected filters of it, found none');
});

if (brokerAvailable()) seen.run();
