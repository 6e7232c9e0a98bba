/**
 * The loop of a host: a turn of the engine, then a breath for sockets and acknowledgements. A filter is not called while
 * there is no room for its messages on the disk. Once a second messages are cut, windows of quiet filters are closed by
 * the clock, and the store is kept up. A stop waits for acknowledgements for a bounded time and writes a checkpoint of
 * every filter, windows open; only the end of all input closes them.
 */
import { setImmediate as breathe, setTimeout as pause } from 'node:timers/promises';
import { type AssignedHost, type Assigner, checkAssigned, checkBudget } from './assigner.js';
import { createWatermark } from './budget.js';
import type { Config } from './config.js';
import type { ControlRequest } from './control.js';
import { createEngine, type Engine, type EngineFilter } from './engine.js';
import { oneLine } from './errors.js';
import {
  BATCH_BYTES_DEFAULT,
  DRAIN_MS_MAX,
  PROBATION_BATCHES,
  PROBATION_MS,
  STOP_MS_MAX,
  TICK_MS,
} from './limits.js';
import type { OpenBroker } from './ownbroker.js';
import { createPace } from './pace.js';
import type { Publisher } from './publish.js';
import { createSeldom, createStatus, filterEventText, overflowText } from './status.js';
import type { Store } from './store.js';
import { isBounded } from './source/create.js';
import type { Source } from './source/source.js';
import { createVersions, type Installed, type Versions } from './versions.js';

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
  /** Who brings filters beside those of the config: the agent of a fleet. */
  readonly assigner?: Assigner;
}

export type Lanes = EngineFilter & { readonly installed: Installed };

export interface Loop {
  run(): Promise<number | 'restart'>;
  stop(): void;
  reload(): Promise<void>;
  /** Does what a command of this machine asks for; answers lines for it. */
  handle(request: ControlRequest): Promise<readonly string[]>;
}

export interface LoopParts {
  readonly lanes: readonly Lanes[];
  readonly sources: ReadonlyMap<string, Source>;
  readonly publisher: Publisher;
  readonly store: Store;
  readonly connection: OpenBroker['connection'];
  /** With all filters, also those that are assigned. */
  readonly config: Config;
  readonly installed: readonly Installed[];
}

export function createLoop(options: HostOptions, parts: LoopParts): Loop {
  const { lanes: filters, sources, publisher, store, connection, config } = parts;
  const { untilEof, filterDir, now, print, assigner } = options;
  const { say, connected: isConnected } = connection;
  let isStopping = false;
  let isRestarting = false;
  const { rest, wake } = createRest();
  const engine = createEngine({
    appliance: config.appliance,
    batchBytes: BATCH_BYTES_DEFAULT,
    filters,
    ...(config.limits.recordsMax === undefined ? {} : { recordsMax: config.limits.recordsMax }),
    keepsReads: true,
    steadyMs: () => performance.now(),
    onOverflow: (instance, manifest) => tell(instance, overflowText(manifest)),
    onFilterEvent: (instance, event) => {
      const text = filterEventText(event);
      if (event.kind === 'fault') return faults.tell(instance, text);
      tell(instance, text);
      versions.happened(instance, event.kind, text);
      changed.add(instance);
      if (event.kind === 'returned' || event.kind === 'out')
        assigner?.happened(instance, { kind: event.kind, reason: oneLine(event.error) });
      // With an assigner the next version may come at any time.
      if (event.kind !== 'out' || assigner || !instances.every(isOut)) return;
      // Who supervises the host starts it again, and the filters with it; going on would be to watch nothing in silence.
      print(`no filter is left, taken out: ${instances.join(', ')}: stopping`);
      isStopping = true;
      wake();
    },
  });
  const instances = filters.map(({ instance }) => instance);
  const isOut = (instance: string) => engine.slot(instance)?.isOut() === true;
  const told = { config, instances, engine, store, publisher, isConnected, say, now };
  const status = createStatus({ ...told, ...(assigner ? { fleet: assigner.status } : {}) });
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
  for (const source of sources.values()) source.onData(wake);
  publisher.onStored(() => {
    store.stored();
    wake();
  });
  store.resume(engine);

  /** After each turn: checkpoints that cannot wait. */
  function keepUp(): void {
    store.look();
    for (const instance of changed) {
      if (engine.isBusy(instance)) continue;
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

  /** Another version of a filter is installed than the one that goes on. */
  async function upgrade(next: Installed): Promise<void> {
    try {
      const { instance } = next.entry;
      print(`filter ${instance}: ${await versions.upgrade(next, store.wasGood(instance))}`);
    } catch (error) {
      print(oneLine(error));
    }
  }

  async function reload(): Promise<readonly string[]> {
    const { config: started, readConfig = () => started } = options;
    // What needs a restart is told until it is done, or undone: so always against what the host was started with.
    const lines = await versions.reload(readConfig(), started);
    return lines.length > 0 ? lines : ['nothing has changed'];
  }

  const assigned = assignedHost(options.config, instances, engine, versions, status.changed, () => {
    isRestarting = true;
    isStopping = true;
    wake();
  });

  return {
    stop() {
      isStopping = true;
      wake();
    },
    // A config that is written, and a signal, come together.
    reload: onceAtATime(async () => {
      const failed = (error: unknown) => [`${oneLine(error)}; nothing was changed`];
      for (const line of await reload().catch(failed)) print(`reload: ${line}`);
    }),
    async handle({ do: what, filter, module, manifest }) {
      const line = await versions.swapFiles(filter, module, manifest).catch((error: unknown) => {
        // Also here: who tried to change what runs is of interest to more than himself.
        print(`swap refused: ${oneLine(error)}`);
        throw error;
      });
      print(`filter ${filter}: swap: ${line}`);
      if (!engine.slot(filter)?.isOnProbation()) return [line];
      return [line, what === 'swap' ? ON_PROBATION : await versions.passed(filter)];
    },
    async run() {
      for (const one of parts.installed) if (store.toStart(one.entry.instance) !== one) await upgrade(one);
      // Not before: of two swaps of a filter at once one is refused.
      if (!isStopping) assigner?.attach(assigned, connection);
      await read();
      versions.stop();
      await endInput(engine, sources, { now, keepUp, isStopping });
      if (!isRestarting) status.say();
      publisher.wake();
      const stopMs = isConnected() && !isRestarting ? STOP_MS_MAX : 0;
      // A broker may be away for long: what is settled goes, and what is written is made safe, all the same.
      const ticking = setInterval(store.tick, TICK_MS);
      const isDrained = await publisher.drain(isStopping ? stopMs : Number.POSITIVE_INFINITY);
      clearInterval(ticking);
      await store.close();
      if (isRestarting) return 'restart';
      if (!isDrained) print(NOT_DRAINED);
      return instances.some(isOut) ? 1 : 0;
    },
  };
}

const ON_PROBATION = `on probation for ${PROBATION_MS / 1000} s or ${PROBATION_BATCHES} batches: at its first fault the version before takes over again`;
const NOT_DRAINED =
  'stopped with messages that the broker has not acknowledged: they wait on the disk for the next start';

/** Waiting until something may have changed, or for the next tick. */
function createRest(): { rest(): Promise<void>; wake(): void } {
  let end = () => {};
  return {
    wake: () => end(),
    rest: () =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, TICK_MS);
        end = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
  };
}

/** Closes the sources, and reads what they have left; windows close where their input has ended. */
async function endInput(
  engine: Engine,
  sources: ReadonlyMap<string, Source>,
  { now, keepUp, isStopping }: { now(): number; keepUp(): void; isStopping: boolean },
): Promise<void> {
  const recoverUntilMs = isStopping ? performance.now() + STOP_MS_MAX : Number.POSITIVE_INFINITY;
  engine.finish(recoverUntilMs);
  for (const source of sources.values()) await source.close();
  // What was received before the sources closed is still in their inboxes; files wait for the next start.
  const deadline = Date.now() + DRAIN_MS_MAX;
  while (isStopping && Date.now() < deadline && engine.turn(now())) keepUp();
  engine.finish(recoverUntilMs);
  // A host that is stopped goes on some day, and its windows with it; with the end of its input they are over.
  if (!isStopping) engine.closeWindows(now(), recoverUntilMs);
  engine.cut();
  engine.closeLedgers(now(), isStopping ? 'keep places' : 'give places up');
  engine.cut();
}

function assignedHost(
  own: Config,
  instances: readonly string[],
  engine: Engine,
  versions: Versions,
  changed: () => void,
  restart: () => void,
): AssignedHost {
  return {
    running: (instance) => (engine.slot(instance) ? versions.running(instance) : undefined),
    instances: () => instances,
    sources: () => own.sources.map(({ name }) => name),
    swap: versions.swapTo,
    check(next) {
      const names = new Set(next.map(({ entry }) => entry.instance));
      const others = instances.filter((instance) => !names.has(instance)).map(versions.running);
      checkAssigned(own, others, next);
    },
    changed,
    restart,
  };
}

/** Whoever asks for the work while it is done waits until it has been done once more, however many they are. */
function onceAtATime(work: () => Promise<void>): () => Promise<void> {
  let present = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= present.then(() => {
      next = undefined;
      present = work();
      return present;
    });
    return next;
  };
}
