/**
 * The host: sources, filters, engine and broker put together as the config says, and driven (`loop.ts`) until it stops.
 */
import { type Budget, mebibytes, termsText } from './budget.js';
import { checkBudget, usable } from './assigner.js';
import type { Config } from './config.js';
import { listenForCommands } from './control.js';
import { type DataFolder, diskError, takeDataFolder } from './datafolder.js';
import type { EngineFilter } from './engine.js';
import { TICK_MS } from './limits.js';
import { createLoop, type HostOptions, type Lanes } from './loop.js';
import { type OpenBroker, openBroker } from './ownbroker.js';
import { createPublisher, type Publisher } from './publish.js';
import { createStore, type Store } from './store.js';
import { type Installed, loadEntries, startEntry } from './versions.js';
import { createSources } from './source/create.js';
import type { Cursor, Source } from './source/source.js';
import { ownSubjects } from './wire.js';

export type { HostOptions };

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
  const { data } = options.config;
  const folder = takeDataFolder(data);
  let isStopped = false;
  try {
    let host = await start(options);
    const run = async (): Promise<number> => {
      for (;;) {
        const code = await host.finished;
        if (code !== 'restart' || isStopped) return code === 'restart' ? 0 : code;
        host = await start(options);
        if (isStopped) host.stop();
      }
    };
    const stop = () => {
      isStopped = true;
      host.stop();
    };
    const marking = keepMarking(folder, options.print, stop);
    const finished = run()
      .then(marking.end)
      .catch((error) => {
        throw diskError(data, error);
      })
      .finally(folder.giveBack);
    return { stop, reload: () => host.reload(), finished };
  } catch (error) {
    folder.giveBack();
    throw diskError(data, error);
  }
}

/** Marks the folder once the disk takes that. Where another host was first this one stops, and `end` throws why. */
function keepMarking(folder: DataFolder, print: (line: string) => void, stop: () => void) {
  let failure: unknown;
  const look = () => {
    try {
      folder.mark();
    } catch (error) {
      failure = error;
      stop();
    }
    if (failure || folder.isMarked()) clearInterval(timer);
  };
  const timer = folder.isMarked() ? undefined : setInterval(look, TICK_MS);
  if (timer) print('data: its disk takes nothing now; until it does, files wait');
  return {
    end(code: number): number {
      clearInterval(timer);
      if (failure) throw failure;
      return code;
    },
  };
}

interface StartedHost extends Omit<Host, 'finished'> {
  /** The exit code, or that it is to be started again. */
  readonly finished: Promise<number | 'restart'>;
}

async function start(options: HostOptions): Promise<StartedHost> {
  const { print, assigner } = options;
  const own = loadEntries(options.config.filters, options.filterDir);
  const assigned = (await assigner?.installed()) ?? [];
  const installed = [...own, ...usable(options.config, own, assigned, print)];
  const config = { ...options.config, filters: installed.map(({ entry }) => entry) };
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
    const loop = createLoop(options, {
      lanes,
      sources,
      publisher,
      store,
      connection: broker.connection,
      config,
      installed,
    });
    // From here on nothing that comes is lost, so it is said when that holds: a kill right behind it goes on from here.
    await store.saved();
    // Who has read that the host reads may ask it for a swap.
    const control = await listenForCommands(config.data, loop.handle, print);
    if (budget.warning) print(budget.warning);
    print(summary(config, sources, budget));
    wake = publisher.wake;
    for (const courier of store.couriers()) publisher.add(courier);
    const end = async () => {
      assigner?.detach();
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
  const reading = `reading ${[...sources.keys()].join(', ') || 'nothing yet'}`;
  const running = `filters ${filters.map(({ instance }) => instance).join(', ') || 'none yet'}`;
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

async function closeAll(
  sources: ReadonlyMap<string, Source>,
  publisher: Publisher,
  broker: OpenBroker,
): Promise<void> {
  for (const source of sources.values()) await source.close();
  await publisher.stop();
  await broker.stop();
}
