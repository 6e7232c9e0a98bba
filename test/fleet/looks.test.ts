/**
 * When an agent looks, and what its status says, with a broker and a host of the test's own.
 */
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as breathe, setTimeout as pause } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Agent, type AgentBroker, type AgentOptions, createAgent } from '../../host/fleet/agent.js';
import type { AssignedHost } from '../../host/assigner.js';
import type { Value } from '../../host/bucket.js';
import { assignmentBytes, assignmentPath } from '../../host/fleet/assignment.js';
import { createLooks } from '../../host/fleet/looks.js';
import { ANNOUNCE_GAP_MS, CONNECTED_SPREAD_MS } from '../../host/fleetlimits.js';
import { AUDIT_STREAM } from '../../host/wire.js';
import { temporaryFolder, until } from '../help.js';
import { createWorld, NOW_MS, type World } from './world.js';

interface Context {
  folder: string;
  world: World;
  /** Of the repository. */
  asked: string[];
  isAway: boolean;
  announce: (body: Uint8Array) => void;
  /** The connection stands. */
  connect: () => void;
  /** Answers of the repository wait for it. */
  slowly: Promise<void> | undefined;
  broker: AgentBroker;
  nowMs: number;
  /** What time it is at the broker where it stores something. */
  storedMs: number;
  /** Entries of the audit that it has. */
  stored: number;
  printed: string[];
  options: AgentOptions;
  agent: Agent;
}

const DAY_MS = 86_400_000;
/** A host without filters. */
const HOST: AssignedHost = {
  running: () => undefined,
  instances: () => [],
  sources: () => [],
  swap: () => Promise.reject(new Error('nothing to swap')),
  check() {},
  restart() {},
  changed() {},
};

const looks = suite<Context>('looks of an agent');
looks.before.each(async (context) => {
  const { path } = await temporaryFolder();
  const world = await createWorld();
  writeFileSync(join(path, 'root.json'), world.anchor);
  Object.assign(context, {
    folder: path,
    world,
    asked: [],
    printed: [],
    isAway: false,
    nowMs: NOW_MS,
    storedMs: NOW_MS,
  });
  let sequence = 0;
  let last: Value | undefined;
  context.broker = {
    connected: () => !context.isAway,
    async publish({ body }) {
      last = { bytes: body, revision: ++sequence, storedMs: context.storedMs };
      context.stored = sequence;
      return { sequence };
    },
    async value(stream, subject) {
      await context.slowly;
      if (context.isAway) throw new Error('away');
      if (stream === AUDIT_STREAM) return last;
      const file = subject.slice('$KV.WEIR_REPO.'.length);
      context.asked.push(file);
      const found = world.repository.files.get(file);
      return found && { ...found, storedMs: NOW_MS };
    },
    onConnected(listener) {
      context.connect = listener;
      if (!context.isAway) listener();
    },
    subscribe(_subject, each) {
      context.announce = (body) => each('weir.fleet.announce', {}, body);
      return { unsubscribe() {} };
    },
  };
  context.options = {
    appliance: 'fw',
    group: 'edge',
    root: join(path, 'root.json'),
    pollMs: 10_000,
    folder: join(path, 'fleet'),
    own: [],
    now: () => context.nowMs,
    print: (line) => context.printed.push(line),
  };
  context.agent = await createAgent(context.options);
  context.agent.attach(HOST, context.broker);
  await context.agent.look();
});
looks.after.each(({ agent, folder }) => {
  agent.detach();
  rmSync(folder, { recursive: true, force: true });
});

const timesLooked = ({ asked }: Context) => asked.filter((path) => path === 'metadata/timestamp.json').length;
const status = ({ agent }: Context) => agent.status() as { stale: string | null; error: string | null };

looks('announcements by the thousand, of whatever content, are one look', async (context) => {
  const before = timesLooked(context);
  for (let at = 0; at < 1_000; at++)
    for (const body of ['0', '', 'x', '-5', '1e999', 'NaN']) context.announce(Buffer.from(body));
  await until(() => timesLooked(context) > before, 5 * ANNOUNCE_GAP_MS, 'a look');
  await pause(ANNOUNCE_GAP_MS / 2);
  assert.is(timesLooked(context), before + 1);
});

looks(
  'the thread for modules starts with what is signed, before bundles are asked for, and ends',
  async (context) => {
    const { agent, asked, broker, world } = context;
    const { value } = broker;
    // Node tells of a thread a little after it was started.
    Object.assign(broker, { value: (...of: Parameters<typeof value>) => breathe().then(() => value(...of)) });
    await breathe();
    const threads: { askedBefore: string[]; ended: Promise<unknown> }[] = [];
    const started = (thread: Worker) =>
      threads.push({ askedBefore: [...asked], ended: once(thread, 'exit') });
    process.on('worker', started);
    try {
      await agent.look();
      assert.is(threads.length, 0, 'nothing is new');
      const { bytes } = (await world.repository.get('metadata/timestamp.json', 1_000_000)) as {
        bytes: Uint8Array;
      };
      world.repository.set('metadata/timestamp.json', Buffer.from('{}'));
      await agent.look();
      assert.is(threads.length, 0, 'what is new is not signed');
      world.repository.set('metadata/timestamp.json', bytes);
      const assignment = assignmentBytes({ format: 1, group: 'edge', serial: 1, filters: {} });
      await world.push({ [assignmentPath('edge')]: assignment });
      asked.length = 0;
      await agent.look();
      const [thread] = threads;
      assert.is(threads.length, 1);
      assert.ok(
        asked.some((path) => path.startsWith('targets/')),
        String(asked),
      );
      assert.not.ok(thread?.askedBefore.some((path) => path.startsWith('targets/')));
      await thread?.ended;
    } finally {
      process.off('worker', started);
    }
  },
);

looks('what is announced while it looks is looked for behind that', async (context) => {
  let go = () => {};
  context.slowly = new Promise((resolve) => {
    go = resolve;
  });
  const before = timesLooked(context);
  const look = context.agent.look();
  context.announce(Buffer.from('0'));
  await pause(2 * ANNOUNCE_GAP_MS);
  assert.is(timesLooked(context), before, 'it looks just now');
  context.slowly = undefined;
  go();
  await look;
  assert.is(timesLooked(context), before + 1);
  await until(() => timesLooked(context) > before + 1, 2 * ANNOUNCE_GAP_MS, 'the second one');
});

looks('a connection that comes later, or back, is a look', async (context) => {
  const { agent, broker } = context;
  agent.detach();
  context.isAway = true;
  agent.attach(HOST, broker);
  await agent.look();
  assert.match(status(context).error as string, /away/);
  context.isAway = false;
  for (const what of ['the first', 'the second']) {
    const before = timesLooked(context);
    context.connect();
    await until(
      () => timesLooked(context) > before,
      CONNECTED_SPREAD_MS + 2 * ANNOUNCE_GAP_MS,
      `a look after ${what} connection`,
    );
    await agent.look();
    assert.is(status(context).error, null);
  }
});

looks('agents that are connected at the same time look one after the other', async () => {
  const times: number[] = [];
  const all = Array.from({ length: 200 }, () =>
    createLooks(async () => {
      times.push(performance.now());
      return 3_600_000;
    }),
  );
  for (const one of all) {
    one.start();
    one.soon(CONNECTED_SPREAD_MS);
  }
  await until(() => times.length === all.length, CONNECTED_SPREAD_MS + 2_000, 'all have looked');
  for (const one of all) one.stop();
  const tenth = CONNECTED_SPREAD_MS / 10;
  const most = Math.max(...times.map((ms) => times.filter((one) => one >= ms && one < ms + tenth).length));
  assert.ok(most < all.length / 3, `${most} of ${all.length} within ${tenth} ms`);
});

looks('what has expired is stale, with a broker that answers and without', async (context) => {
  assert.is(status(context).stale, null);
  context.isAway = true;
  await context.agent.look();
  assert.is(status(context).stale, null, 'a broker that is away for a while is no reason to worry');
  assert.match(status(context).error as string, /away/);
  context.nowMs += 8 * DAY_MS;
  context.storedMs = context.nowMs;
  assert.match(status(context).stale as string, /what is trusted has expired at \d{4}-/);
  context.isAway = false;
  await context.agent.look();
  assert.match(status(context).stale as string, /expired/);
  await context.world.push({}, { nowMs: context.nowMs });
  await context.agent.look();
  assert.is(status(context).stale, null);
  assert.is(context.printed.filter((line) => line.includes('METADATA_STALE')).length, 1);
});

looks(
  'a clock that is set back a year changes nothing that is trusted, and says nothing wrong',
  async (context) => {
    await context.world.push({ 'assignments/other.json': 'x' });
    context.nowMs -= 365 * DAY_MS;
    await context.agent.look();
    assert.is(status(context).stale, null);
  },
);

looks('a root of trust of another fleet is told in the status, the log and the audit', async (context) => {
  const { agent, broker, folder, world, printed } = context;
  agent.detach();
  writeFileSync(join(folder, 'root.json'), (await createWorld()).anchor);
  context.agent = await createAgent({ ...context.options, print: (line) => printed.push(line) });
  context.agent.attach(HOST, broker);
  await world.push({ 'assignments/other.json': 'x' });
  await context.agent.look();
  const text = /fleet\.root: \S+root\.json: expected the root of the fleet .*remove \S+fleet\/trust$/;
  assert.match(status(context).stale as string, text);
  assert.ok(
    printed.some((line) => text.test(line)),
    printed.join('\n'),
  );
  assert.match(readFileSync(join(folder, 'fleet/audit.jsonl'), 'utf8'), '"action":"root refused"');
  context.agent.detach();
  rmSync(join(folder, 'fleet/trust'), { recursive: true });
  writeFileSync(join(folder, 'root.json'), world.anchor);
  context.agent = await createAgent(context.options);
  context.agent.attach(HOST, broker);
  await context.agent.look();
  assert.is(status(context).stale, null);
});

looks('the same trouble is told once, and that it is over is in the audit', async (context) => {
  const { world } = context;
  const old = world.repository.copy();
  await world.push({ 'assignments/other.json': 'x' });
  await context.agent.look();
  const good = world.repository.copy();
  for (const [path, { bytes }] of old) world.repository.set(path, bytes);
  for (let look = 0; look < 5; look++) await context.agent.look();
  assert.is(context.printed.filter((line) => line.includes('METADATA_STALE')).length, 1);
  assert.match(status(context).stale as string, /METADATA_STALE/);
  for (const [path, { bytes }] of good) world.repository.set(path, bytes);
  await context.agent.look();
  assert.is(status(context).stale, null);
});

looks(
  'by a clock that is wrong something seems expired, and what is said is of the clock',
  async (context) => {
    const told = () =>
      context.printed.filter((line) => line.startsWith('fleet: the clock here is 20 days ahead'));
    for (const [days, text] of [
      [
        20,
        /^the clock here is 20 days ahead of that of the broker, and is to be set first; what is trusted has expired at /,
      ],
      [0, undefined],
    ] as const) {
      context.nowMs = NOW_MS + days * DAY_MS;
      await context.agent.look();
      const wanted = () =>
        text === undefined ? status(context).stale === null : text.test(status(context).stale ?? '');
      await until(wanted, 5_000, `it says so: ${status(context).stale}`);
      await until(() => told().length === 1, 5_000, 'the log has it');
      const error = days === 0 ? null : String(status(context).error);
      assert.is(status(context).error, error);
      assert.not.match(String(error), 'weir fleet refresh');
    }
  },
);

looks('a clock that is right is not blamed where something has expired', async (context) => {
  context.storedMs = NOW_MS + 20 * DAY_MS;
  context.nowMs = context.storedMs;
  await context.agent.look();
  await until(() => context.stored === 2, 5_000, 'it is in the audit');
  await until(
    () => status(context).stale?.includes('clock') === false,
    5_000,
    'the broker has told the time',
  );
  assert.match(status(context).stale as string, /^what is trusted has expired at /);
  assert.match(status(context).error as string, 'weir fleet refresh');
});

looks.run();
