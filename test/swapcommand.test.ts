/**
 * Faults and swaps as an operator sees them: a host process, a real broker, `weir swap`, SIGHUP, dead letters and status.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { connectBroker } from '../host/broker.js';
import { unpack } from '../host/pack.js';
import type { WireRecord } from '../host/wire.js';
import { readStream, recordsOf } from './broker.js';
import { said, saidHere } from './command.js';
import { until, WAIT_MS } from './help.js';
import {
  append,
  kept,
  setManifest,
  startHost,
  stopped,
  stumblingSuite,
  writeConfig,
} from './stumblinghost.js';

const commands = stumblingSuite('weir swap');

commands(
  'an event at fault is a dead letter, the status says so, and all others are there',
  async (context) => {
    const { broker, appliance } = context;
    const listener = await connectBroker({
      servers: [broker.url],
      name: 'test',
      wait: 'fail-fast',
      notice: () => {},
    });
    const told: WireRecord[] = [];
    listener.subscribe(`weir.status.${appliance}`, (_subject, headers, body) =>
      unpack(headers, body, (status) => told.push(status)),
    );
    await listener.flush();
    const host = await startHost(context);
    append(context, 'nothing', 'trap', 'nothing', 'spin', 'nothing');
    const state = (): WireRecord => (told.at(-1)?.filters as Record<string, WireRecord>)?.stumbling ?? {};
    await until(() => state().in === 3, WAIT_MS, 'the status tells of three events');
    assert.is(state().running, (state().running as string).match(/^stumbling@1\.0\.0\+[\da-f]{12}$/)?.[0]);
    assert.is(state().state, 'runs');
    assert.equal([state().dead, state().lost], [2, 0]);
    assert.match((state().last as WireRecord).text as string, /at fault at an event of a, which is left out/);
    assert.is(await stopped(host), 0, host.err());
    assert.is((await kept(context)).length, 3);
    const dead = recordsOf(await readStream(broker.url, `weir.dead.${appliance}.stumbling`));
    assert.equal(
      dead.map(({ kind, source, line }) => [kind, source, (line as string).replace(/.* /, '')]),
      [
        ['trap', 'a', 'do=trap'],
        ['fuel', 'a', 'do=spin'],
      ],
    );
    const ledgers = recordsOf(await readStream(broker.url, `weir.ev.${appliance}.stumbling.ledger`));
    assert.equal(
      ledgers.reduce((sum, { dead: counts }) => sum + ((counts as { a?: number }).a ?? 0), 0),
      2,
    );
    await listener.close();
  },
);

commands(
  'another version takes over while lines come; one that is at fault gives way again',
  async (context) => {
    const host = await startHost(context, { stumbles: 0 });
    append(context, 'nothing', 'trap');
    const swapped = await saidHere(['swap', 'stumbling', 'next', '--data', 'data'], context.folder);
    assert.is(swapped.code, 0, swapped.err);
    assert.match(
      swapped.out,
      /^stumbling@1\.0\.0\+[\da-f]{12} -> stumbling@2\.0\.0\+[\da-f]{12}; state taken over\non probation for 30 s or 1000 batches: at its first fault .*\n$/,
    );
    append(context, 'nothing');
    const again = await saidHere(['swap', 'stumbling', 'next/filter.wasm', '--data', 'data'], context.folder);
    assert.match(again.out, /^stumbling@2\.0\.0\+[\da-f]{12} runs already\non probation for /);
    // Of the same name, and not the same.
    setManifest(context, 'next', { faults: 7 });
    const renamed = await saidHere(['swap', 'stumbling', 'next', '--data', 'data'], context.folder);
    assert.match(renamed.out, /^stumbling@2\.0\.0\+\S+ with another manifest; state taken over\n/);
    // The same with a config in which it breaks down: SIGHUP reads it.
    cpSync(join(context.folder, 'next'), join(context.folder, 'filters/stumbling'), { recursive: true });
    writeConfig(context, { stumbles: 1 });
    host.child.kill('SIGHUP');
    await until(() => host.err().includes('reload: filter stumbling: '), WAIT_MS, 'it was read anew');
    assert.match(
      host.err(),
      /stumbling@2\S+; its config is another one, so open windows were told as partial ones/,
    );
    append(context, 'nothing', 'trap', 'nothing');
    await until(() => host.err().includes('runs again'), WAIT_MS, 'the version before runs again');
    assert.is(await stopped(host), 0, host.err());
    assert.is((await kept(context)).length, 6);
    assert.equal(
      recordsOf(await readStream(context.broker.url, `weir.dead.${context.appliance}.stumbling`)),
      [],
      'the version before can bear the line',
    );
  },
);

commands(
  'a config that is written and signals that come with it are read one behind the other',
  async (context) => {
    const host = await startHost(context);
    for (let capacity = 100; capacity < 104; capacity++) {
      writeConfig(context, { capacity });
      host.child.kill('SIGHUP');
      host.child.kill('SIGHUP');
      await until(
        () => (host.err().match(/reload: filter stumbling: .*; begins anew/g) ?? []).length > capacity - 100,
        WAIT_MS,
        'it was read anew',
      );
    }
    assert.is(await stopped(host), 0, host.err());
    assert.not.match(host.err(), /is not taken|SWAP_REFUSED/);
  },
);

commands(
  'killed when a version has just come back, a host loses nothing of a file, and tells nothing twice',
  async (context) => {
    const { folder, broker, appliance } = context;
    let host = await startHost(context, { window_ms: 60_000 });
    let lines = 0;
    const add = (count: number) => {
      append(context, ...Array.from({ length: count }, () => 'nothing'));
      lines += count;
    };
    for (const delayMs of [0, 3, 10, 40]) {
      add(50);
      writeConfig(context, { window_ms: 120_000 + delayMs });
      host.child.kill('SIGHUP');
      await until(
        () => host.err().includes('reload: filter stumbling: stumbling@'),
        WAIT_MS,
        'the other runs',
      );
      add(200);
      append(context, 'trap');
      add(100);
      await until(() => host.err().includes('runs again'), WAIT_MS, 'it has come back');
      await pause(delayMs);
      host.child.kill('SIGKILL');
      await host.exited;
      host = await startHost(context, { window_ms: 60_000 });
      assert.not.match(host.err(), /cannot be done again|are lost/, `${delayMs} ms`);
    }
    assert.is(await stopped(host), 0, host.err());
    const end = await said(['run', '--filter-dir', 'filters', '--until-eof'], folder);
    assert.is(end.code, 0, end.err);
    assert.is((await kept(context)).length, lines);
    const of = async (stream: string) =>
      recordsOf(await readStream(broker.url, `weir.ev.${appliance}.stumbling.${stream}`));
    const sum = (found: readonly WireRecord[], field: string) =>
      found.reduce((all, record) => all + Number(record[field] ?? 0), 0);
    assert.is(sum(await of('sums'), 'count'), lines);
    assert.equal(
      (await of('ledger')).map(({ lost }) => lost).filter((lost) => Object.keys(lost as object).length > 0),
      [],
    );
  },
);

commands('who waits for the probation of a version hears whether it lasts', async (context) => {
  const { folder } = context;
  // So little at a time that 1,000 batches are soon through.
  const memory = { static: '32KiB', state: '128KiB', scratch: '64KiB', input: '4KiB', output: '4KiB' };
  setManifest(context, 'next', { memory });
  const host = await startHost(context);
  const wait = (module: string, more: readonly string[] = []) =>
    saidHere(['swap', 'stumbling', module, '--data', 'data', '--wait', ...more], folder, 4 * WAIT_MS);
  const hasSwapped = (version: string) =>
    until(() => host.err().includes(` -> stumbling@${version}+`), WAIT_MS, `${version} runs`);
  const passing = wait('next');
  await hasSwapped('2.0.0');
  append(context, ...Array.from({ length: 120_000 }, () => 'nothing'));
  const passed = await passing;
  assert.is(passed.code, 0, passed.err);
  assert.match(
    passed.out,
    /^stumbling@1.* -> stumbling@2.*; state taken over\nstumbling@2\S+ has passed its probation\n$/,
  );
  setManifest(context, 'next', { version: '3.0.0' });
  const failing = wait('next');
  await hasSwapped('3.0.0');
  append(context, 'nothing', 'trap');
  const failed = await failing;
  assert.equal([failed.code, failed.out], [1, '']);
  assert.match(
    failed.err,
    /^weir: PROBATION_FAILED: filter stumbling: expected stumbling@3\S+ to pass its probation, found otherwise: stumbling@3\S+ was at fault, stumbling@2\S+ runs again: FILTER_FAULT: /,
  );
  const left = wait('next');
  await until(() => (host.err().match(/-> stumbling@3/g) ?? []).length === 2, WAIT_MS, 'it runs once more');
  assert.is(await stopped(host), 0, host.err());
  const { code, err } = await left;
  assert.is(code, 1);
  assert.match(
    err,
    /^weir: PROBATION_FAILED: filter stumbling: expected stumbling@3\S+ to pass its probation, found otherwise: the host stopped before it was over; /,
  );
});

commands('what cannot be swapped is refused by name, and the running filter goes on', async (context) => {
  const host = await startHost(context);
  const { folder } = context;
  writeFileSync(join(folder, 'next/rubbish.wasm'), 'not a module');
  cpSync(join(folder, 'next'), join(folder, 'other'), { recursive: true });
  setManifest(context, 'other', { name: 'other' });
  cpSync(join(folder, 'next'), join(folder, 'huge'), { recursive: true });
  setManifest(context, 'huge', {
    memory: { static: '32KiB', state: '48MiB', scratch: '64KiB', input: '4MiB', output: '4KiB' },
  });
  cpSync(join(folder, 'next'), join(folder, 'liar'), { recursive: true });
  setManifest(context, 'liar', {
    memory: { static: '32KiB', state: '4KiB', scratch: '64KiB', input: '64KiB', output: '4KiB' },
  });
  cpSync(join(folder, 'next'), join(folder, 'abi'), { recursive: true });
  setManifest(context, 'abi', { abi: 2 });
  for (const [args, expected] of [
    [['nobody', 'next'], /^weir: SWAP_REFUSED: filter "nobody": expected one that runs \(stumbling\)/],
    [
      ['stumbling', 'next/rubbish.wasm'],
      /^weir: MODULE_REFUSED: .*expected a WebAssembly module, found other bytes/,
    ],
    [['stumbling', 'nowhere'], /^weir: MODULE_UNREADABLE: .*\/nowhere: expected /],
    [
      ['stumbling', 'other'],
      /^weir: SWAP_REFUSED: filter stumbling: expected a version of stumbling, found "other"/,
    ],
    [['stumbling', 'huge'], /^weir: (MEMORY_BUDGET|MANIFEST_INVALID): /],
    [
      ['stumbling', 'liar'],
      /^weir: MEMORY_MANIFEST: .*memory\.state of filter\.json: expected at least \d+ bytes/,
    ],
    [['stumbling', 'abi'], /^weir: MANIFEST_INVALID: .*abi: expected 1, the ABI of this host, found 2/],
  ] as const) {
    const { code, err } = await saidHere(['swap', ...args, '--data', 'data'], folder);
    assert.is(code, 1, args.join(' '));
    assert.match(err, expected, args.join(' '));
    const logged = err.replace('weir: ', 'weir: swap refused: ');
    await until(() => host.err().includes(logged), WAIT_MS, `the host says ${logged}`);
  }
  assert.match(
    (await saidHere(['swap', 'stumbling', 'next', '--data', 'nowhere'], folder)).err,
    /HOST_UNREACHABLE/,
  );
  // The same by a reload.
  const installed = readFileSync(join(folder, 'filters/stumbling/filter.wasm'));
  writeFileSync(join(folder, 'filters/stumbling/filter.wasm'), 'not a module');
  host.child.kill('SIGHUP');
  const left =
    'reload: filter stumbling: filters/stumbling is not taken, nothing was changed: MODULE_REFUSED: filter stumbling: expected a WebAssembly module, found other bytes';
  await until(() => host.err().includes(left), WAIT_MS, 'the reload is refused');
  writeFileSync(join(folder, 'filters/stumbling/filter.wasm'), installed);
  append(context, 'nothing');
  await until(async () => (await kept(context)).length === 1, WAIT_MS, 'it goes on');
  assert.not.match(host.err(), /swap: /);
  assert.is(await stopped(host), 0);
});

commands('a pipe in the place of a file holds up neither a reload nor a start', async (context) => {
  const { folder } = context;
  const host = await startHost(context);
  const read = { module: 'filters/stumbling/filter.wasm', manifest: 'filters/stumbling/filter.json' };
  for (const file of [read.module, read.manifest, 'weir.json']) {
    const path = join(folder, file);
    const content = readFileSync(path);
    rmSync(path);
    execFileSync('mkfifo', [path]);
    host.child.kill('SIGHUP');
    const expected = `${file}: expected a regular file, found a pipe`;
    await until(() => host.err().includes(expected), WAIT_MS, `the reload refuses ${file}`);
    rmSync(path);
    writeFileSync(path, content);
  }
  append(context, 'nothing');
  await until(async () => (await kept(context)).length === 1, WAIT_MS, 'it goes on');
  assert.is(await stopped(host), 0);
  for (const [file, code] of [
    [read.module, 'MODULE_UNREADABLE'],
    [read.manifest, 'MANIFEST_INVALID'],
  ] as const) {
    cpSync(join(folder, 'next'), join(folder, 'filters/stumbling'), { recursive: true });
    rmSync(join(folder, file));
    execFileSync('mkfifo', [join(folder, file)]);
    const { code: exit, err } = await said(['run', '--filter-dir', 'filters'], folder);
    assert.is(exit, 1);
    assert.match(err, new RegExp(`^weir: ${code}: ${file}: expected a regular file, found a pipe;`, 'm'));
    rmSync(join(folder, file));
  }
});

commands('of two swaps at once one is made', async (context) => {
  const host = await startHost(context);
  const both = await Promise.all(
    [1, 2].map(() => saidHere(['swap', 'stumbling', 'next', '--data', 'data'], context.folder)),
  );
  const line = both.map(({ out, err }) => out + err).join('');
  assert.match(line, /1\.0\.0\+[\da-f]{12} -> stumbling@2\.0\.0/);
  assert.match(line, /another swap of it is being prepared|runs already/);
  const third = await saidHere(['swap', 'stumbling', 'next', '--data', 'data'], context.folder);
  assert.match(third.out, /^stumbling@2\.0\.0\+[\da-f]{12} runs already$/m);
  assert.is(host.err().match(/swap: \S+ -> /g)?.length, 1);
  assert.is(await stopped(host), 0);
});

commands.run();
