/**
 * The host: sources, filters, engine and broker put together as the config says, and driven until it stops.
 *
 * One thread, one loop: a turn of the engine, then a breath for sockets and acknowledgements. A filter is not called while
 * there is no room for its messages on the disk. Once a second messages are cut, windows of quiet filters are closed by
 * the clock, and the store is kept up. A stop waits for acknowledgements for a bounded time and writes a checkpoint of
 * every filter, windows open; only the end of all input closes them.
 */
import { setImmediate as breathe, setTimeout as pause } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { type Budget, budgetOf, createWatermark, mebibytes, termsText } from './budget.js';
import { type Broker, connectBroker } from './broker.js';
import { startLocalBroker } from './local-broker.js';
import type { Config } from './config.js';
import { type ControlRequest, listenForCommands } from './control.js';
import { takeDataFolder } from './datafolder.js';
import { createEngine, type EngineFilter } from './engine.js';
import { oneLine, WeirError } from './errors.js';
import { BATCH_BYTES_DEFAULT, DRAIN_MS_MAX, STOP_MS_MAX, TICK_MS } from './limits.js';
import { createPace } from './pace.js';
import { createPublisher, type Publisher } from './publish.js';
import { createSeldom, createStatus, filterEventText } from './status.js';
import { createStore, type Store } from './store.js';
import { createVersions, type Installed, loadEntry, startEntry } from './versions.js';
import { createSources, isBounded } from './source/create.js';
import type { Cursor, Source } from './source/source.js';
import { inboxPrefix, type Message, ownSubjects } from './wire.js';

export interface HostOptions {
  readonly config: Config;
  /** Folder of built filters that are looked for before the shipped ones. */
  readonly filterDir?: string;
  /** End when every file and standard input is read to its end. */
  readonly untilEof: boolean;
  /** Reads the config anew. */
  readonly readConfig?: () => Config;
  readonly now: () => number;
  /** One line for the operator. */
  readonly print: (line: string) => void;
}

export interface Host {
  /** Begins an orderly stop. */
  stop(): void;
  /** Reads the config and the filters anew; what changed in filters is swapped, one after the other. */
  reload(): Promise<void>;
  /** The exit code, once everything is closed. */
  readonly finished: Promise<number>;
}

/** Puts everything together and starts reading. Throws a WeirError when something in the config cannot work. */
export async function startHost(options: HostOptions): Promise<Host> {
  const giveBack = takeDataFolder(options.config.data);
  try {
    const { stop, reload, finished } = await start(options);
    return { stop, reload, finished: finished.finally(giveBack) };
  } catch (error) {
    giveBack();
    throw error;
  }
}

async function start(options: HostOptions): Promise<Host> {
  const { config, print } = options;
  const installed = config.filters.map((entry) => loadEntry(entry, options.filterDir));
  const budget = checkBudget(config, installed);
  let wake = () => {};
  const store = createStore({ config, installed, notice: print, onAppended: () => wake() });
  const filters = startFilters(installed.map(({ entry }) => store.toStart(entry.instance)));
  const sources = createSources(config, options.untilEof, print);
  const broker = await openBroker(config, print);
  const publisher = createPublisher({
    broker: broker.connection,
    ownSubjects: ownSubjects(config.appliance),
    notice: print,
  });
  try {
    const lanes = await openLanes(filters, sources, store);
    if (budget.warning) print(budget.warning);
    print(summary(config, sources, budget));
    const { say, connected } = broker.connection;
    const isUpgraded = installed.some((one) => store.toStart(one.entry.instance) !== one);
    const loop = createLoop(options, {
      lanes,
      sources,
      publisher,
      store,
      say,
      isConnected: connected,
      isUpgraded,
    });
    wake = publisher.wake;
    for (const courier of store.couriers()) publisher.add(courier);
    const control = await listenForCommands(config.data, loop.handle);
    const end = async () => {
      await control.close();
      await closeAll(sources, publisher, broker);
    };
    return { stop: loop.stop, reload: loop.reload, finished: loop.run().finally(end) };
  } catch (error) {
    await closeAll(sources, publisher, broker);
    throw error;
  }
}

/** What runs now, and where its memory goes: every term of the sum with its owner. */
function summary(
  { appliance, filters, limits }: Config,
  sources: ReadonlyMap<string, Source>,
  { terms, sumBytes }: Budget,
): string {
  const reading = `reading ${[...sources.keys()].join(', ')}`;
  const running = `filters ${filters.map(({ instance }) => instance).join(', ')}`;
  const memory = `memory ${termsText(terms)} = ${mebibytes(sumBytes)} of ${mebibytes(limits.memoryBytes)}`;
  return `${appliance}: ${reading}; ${running}; ${memory}; at most ${limits.cpu} cores`;
}

type StartedFilter = Omit<EngineFilter, 'cursors' | 'outbox'> & { readonly installed: Installed };

function startFilters(installed: readonly Installed[]): StartedFilter[] {
  return installed.map((one) => {
    const { instance, format } = one.entry;
    return { instance, filter: startEntry(one), format, installed: one };
  });
}

/** The sum of what the config needs, before any of it is taken. */
function checkBudget(
  config: Config,
  installed: readonly Installed[],
  kept: readonly Installed[] = [],
): Budget {
  const manifests = new Map(installed.map(({ entry, loaded }) => [entry.instance, loaded.manifest]));
  const onProbation = kept.map(({ loaded }) => loaded.manifest);
  return budgetOf(config, manifests, getHeapStatistics().heap_size_limit, onProbation);
}

/** Opens the sources one by one, each with the places in it, so that what is lost while others open is counted. */
async function openLanes(
  filters: readonly StartedFilter[],
  sources: ReadonlyMap<string, Source>,
  store: Store,
): Promise<Lanes[]> {
  const lanes = filters.map((filter) => ({
    ...filter,
    cursors: new Map<string, Cursor>(),
    outbox: store.outbox(filter.instance),
  }));
  for (const [name, source] of sources) {
    await source.open();
    for (const { installed, instance, cursors } of lanes) {
      if (installed.entry.from.includes(name))
        cursors.set(name, source.cursor(store.position(instance, name)));
    }
  }
  return lanes;
}

type Lanes = EngineFilter & { readonly installed: Installed };

interface Loop {
  run(): Promise<number>;
  stop(): void;
  reload(): Promise<void>;
  /** Does what a command of this machine asks for; answers lines for it. */
  handle(request: ControlRequest): Promise<readonly string[]>;
}

interface LoopParts {
  readonly lanes: readonly Lanes[];
  readonly sources: ReadonlyMap<string, Source>;
  readonly publisher: Publisher;
  readonly store: Store;
  readonly say: (message: Message) => void;
  readonly isConnected: () => boolean;
  /** Another version of a filter is installed than the one that goes on. */
  readonly isUpgraded: boolean;
}

function createLoop(options: HostOptions, parts: LoopParts): Loop {
  const { lanes: filters, sources, publisher, store, say, isConnected, isUpgraded } = parts;
  const { config, untilEof, filterDir, now, print } = options;
  let isStopping = false;
  let exitCode = 0;
  let takenOut = 0;
  let wake = () => {};
  const engine = createEngine({
    appliance: config.appliance,
    batchBytes: BATCH_BYTES_DEFAULT,
    filters,
    ...(config.limits.recordsMax === undefined ? {} : { recordsMax: config.limits.recordsMax }),
    keepsReads: true,
    steadyMs: () => performance.now(),
    onFilterEvent: (instance, event) => {
      const text = filterEventText(event);
      if (event.kind === 'fault') faults.tell(instance, text);
      else tell(instance, text);
      if (event.kind === 'approved') versions.approved(instance);
      if (event.kind === 'returned') versions.returned(instance);
      if (event.kind !== 'fault') changed.add(instance);
      if (event.kind !== 'out') return;
      exitCode = 1;
      if (++takenOut < filters.length) return;
      // Who supervises the host starts it again, and the filters with it; going on would be to watch nothing in silence.
      print('no filter is left: stopping');
      isStopping = true;
      wake();
    },
  });
  const instances = filters.map(({ instance }) => instance);
  const status = createStatus({ config, instances, engine, store, publisher, isConnected, say, now });
  const tell = (instance: string, text: string) => {
    print(`filter ${instance}: ${text}`);
    status.tell(instance, text);
  };
  const faults = createSeldom(tell);
  const installed = filters.map((filter) => filter.installed);
  const versions = createVersions({
    engine,
    installed,
    filterDir,
    now,
    checkMemory: (ones, kept) => void checkBudget(config, ones, kept),
    tell(instance, line) {
      changed.add(instance);
      status.tell(instance, `swapped: ${line}`);
    },
  });
  /** Filters of which what was done before does not lead to what they are now. */
  const changed = new Set<string>();
  const bounded = config.sources.filter(({ kind }) => isBounded(kind)).map(({ name }) => name);
  const pace = createPace(config.limits.cpu);
  const watermark = createWatermark(config.limits.memoryBytes, print);
  for (const source of sources.values()) source.onData(() => wake());
  publisher.onStored(() => {
    store.stored();
    wake();
  });
  store.resume(engine);

  /** Waits until something may have changed, or for the next tick. */
  function rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, TICK_MS);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** After each turn: checkpoints that cannot wait. */
  function keepUp(): void {
    store.look();
    for (const instance of changed) {
      if (engine.isRecovering(instance)) continue;
      changed.delete(instance);
      store.versionChanged(instance, versions.running(instance));
    }
  }

  async function read(): Promise<void> {
    let tickAt = Date.now() + TICK_MS;
    while (!isStopping) {
      const restMs = pace.restMs();
      const isBusy = restMs === 0 && engine.turn(now());
      keepUp();
      if (Date.now() >= tickAt) {
        tickAt = Date.now() + TICK_MS;
        if (!untilEof) engine.tick(now());
        engine.tellLedgers(now());
        engine.cut();
        status.tick();
        store.tick();
        watermark.look();
      }
      if (restMs > 0) await pause(restMs);
      else if (isBusy) await breathe();
      else if (untilEof && engine.ended(bounded)) return;
      else await rest();
    }
  }

  async function reload(): Promise<readonly string[]> {
    // What needs a restart is told until it is done, or undone: so always against what the host was started with.
    const lines = await versions.reload(options.readConfig?.() ?? config, config);
    return lines.length > 0 ? lines : ['nothing has changed'];
  }

  return {
    stop() {
      isStopping = true;
      wake();
    },
    async reload() {
      const lines = await reload().catch((error) => [`${oneLine(error)}; nothing was changed`]);
      for (const line of lines) print(`reload: ${line}`);
    },
    async handle(request) {
      try {
        const line = await versions.swapFiles(request.filter, request.module, request.manifest);
        print(`filter ${request.filter}: swap: ${line}`);
        return [line];
      } catch (error) {
        // Also here: who tried to change what runs is of interest to more than himself.
        print(`swap refused: ${oneLine(error)}`);
        throw error;
      }
    },
    async run() {
      if (isUpgraded) for (const line of await versions.reload(config, config)) print(line);
      await read();
      const recoverUntilMs = isStopping ? performance.now() + STOP_MS_MAX : Number.POSITIVE_INFINITY;
      engine.finishRecoveries(recoverUntilMs);
      for (const source of sources.values()) await source.close();
      // What was received before the sources closed is still in their inboxes; files wait for the next start.
      const deadline = Date.now() + DRAIN_MS_MAX;
      while (isStopping && Date.now() < deadline && engine.turn(now())) keepUp();
      // A host that is stopped goes on some day, and its windows with it; with the end of its input they are over.
      if (!isStopping) engine.closeWindows(now(), recoverUntilMs);
      engine.cut();
      engine.closeLedgers(now(), isStopping ? 'keep places' : 'give places up');
      engine.cut();
      publisher.wake();
      const stopMs = isConnected() ? STOP_MS_MAX : 0;
      // A broker may be away for long: what is settled goes, and what is written is made safe, all the same.
      const ticking = setInterval(store.tick, TICK_MS);
      const isDrained = await publisher.drain(isStopping ? stopMs : Number.POSITIVE_INFINITY);
      clearInterval(ticking);
      await store.close();
      if (isDrained) return exitCode;
      print(
        'stopped with messages that the broker has not acknowledged: they wait on the disk for the next start',
      );
      return exitCode;
    },
  };
}

interface OpenBroker {
  readonly connection: Pick<
    Broker,
    'publish' | 'last' | 'first' | 'hasOneReplica' | 'say' | 'connected' | 'onConnected' | 'ensureStream'
  >;
  stop(): Promise<void>;
}

/** The broker of the config, or one of our own. Without its binary the host runs on, with a bounded spool. */
async function openBroker(config: Config, print: (line: string) => void): Promise<OpenBroker> {
  const options = {
    name: `weir-${config.appliance}`,
    inboxPrefix: inboxPrefix(config.appliance),
    wait: 'in-background',
    notice: print,
  } as const;
  if (config.nats) {
    const connection = await connectBroker({ ...config.nats, ...options });
    return { connection, stop: () => connection.close() };
  }
  const local = await startLocalBroker({ dataFolder: config.data, notice: print }).catch((error) => {
    if (!(error instanceof WeirError) || error.code !== 'BROKER_MISSING') throw error;
    print(`${oneLine(error)}; until then messages wait, up to a limit`);
    return undefined;
  });
  if (!local) return { connection: ABSENT_BROKER, stop: async () => {} };
  print(`broker: started nats-server at ${local.shownUrl}; "weir tap --data ${config.data}" listens to it`);
  const connection = await connectBroker({ servers: [local.url], ...options });
  return {
    connection,
    async stop() {
      await connection.close();
      await local.stop();
    },
  };
}

/** No broker is there and none will come: messages stay in the bounded spool. */
const ABSENT_BROKER: OpenBroker['connection'] = {
  say: () => {},
  connected: () => false,
  onConnected: () => {},
  publish: () => Promise.reject(new WeirError('BROKER_MISSING', 'no nats-server on PATH')),
  last: () => Promise.reject(new WeirError('BROKER_MISSING', 'no nats-server on PATH')),
  first: () => Promise.reject(new WeirError('BROKER_MISSING', 'no nats-server on PATH')),
  hasOneReplica: () => false,
  ensureStream: async () => {},
};

async function closeAll(
  sources: ReadonlyMap<string, Source>,
  publisher: Publisher,
  broker: OpenBroker,
): Promise<void> {
  for (const source of sources.values()) await source.close();
  await publisher.stop();
  await broker.stop();
}
