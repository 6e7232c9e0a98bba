/**
 * `weir run`: the host.
 */
import { existsSync, unwatchFile, watchFile } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { type Config, DEFAULT_LOGS, defaultConfig, loadConfig, machineFacts } from '../config.js';
import { diskError, makeDataFolder } from '../datafolder.js';
import { WeirError } from '../errors.js';
import { installedFilters } from '../filter/library.js';
import { startHost } from '../index.js';
import { CONFIG_LOOK_MS, MODULE_TABLE_ENTRIES_MAX } from '../limits.js';
import { needRegularFile } from '../validate.js';
import { type Command, folderPath, isoTime, parseCommand } from './command.js';

const DEFAULT_CONFIG = 'weir.json';

export const run: Command = {
  summary: 'read events, run filters, publish to NATS',
  help: `Usage: weir run [OPTIONS]

Reads the sources of the config, runs its filters over them, and publishes what they emit to NATS JetStream, on
weir.ev.APPLIANCE.FILTER.STREAM. Runs until SIGINT or SIGTERM; windows that are open then, and messages that a broker which
is away has not acknowledged, wait on the disk for the next start. SIGHUP, or a config that was written anew, makes it read the
config and the filters again: filters whose module, manifest or config changed are swapped while events flow, what
else changed is named and needs a restart.

A filter at fault (a trap, an endless loop, a wrong answer) is put back to what it was before the event, which goes to
weir.dead.APPLIANCE.FILTER; after more faults than its manifest forgives the version before takes over, or it is taken out, until
"weir swap", a reload or the next start brings it back.

  --config FILE   the config (default: ${DEFAULT_CONFIG} in this folder when there is one; else /etc, the usual logs that
                  this user may read, syslog on 127.0.0.1:5514 and new processes are watched)
  --filter-dir DIR  your own built filters ("weir build" puts them into dist/filters); they go before the shipped ones
  --until-eof     end when every file and standard input is read to its end, all windows are closed and every
                  message is acknowledged
  --now TIME      with --until-eof: the time at which the events are received, for old files whose dates
                  have no year

Exit code: 0 after an orderly stop, 1 when a filter is out by then or something could not be stored, 2 for a wrong option.

Memory and processor time are limited by limits.memory (the whole process, 192 MiB unless told otherwise) and limits.cpu (in cores,
0.25 unless told otherwise); the sum of what the config needs is printed, and refused when it is more.

Without nats.servers in the config a nats-server of its own is started on loopback; "weir tap" finds it, with
--data where the config sets "data".
`,
  async run(args) {
    const { values } = parseCommand(args, {
      options: {
        config: { type: 'string' },
        'filter-dir': { type: 'string' },
        'until-eof': { type: 'boolean', default: false },
        now: { type: 'string' },
      },
    });
    const untilEof = values['until-eof'];
    if (values.now !== undefined && !untilEof)
      throw new WeirError('USAGE', '--now: expected --until-eof beside it');
    const fixedNowMs = values.now === undefined ? undefined : isoTime('--now', values.now);
    const givenDir = values['filter-dir'];
    const filterDir = givenDir === undefined ? undefined : folderPath('--filter-dir', givenDir);
    // A second fence behind our own judgement of modules, before the engine sees the first one.
    setFlagsFromString(`--wasm-max-table-size=${MODULE_TABLE_ENTRIES_MAX}`);
    // A signal may come before the host stands.
    let isStopping = false;
    let stop = () => {
      isStopping = true;
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop());
    const print = (line: string) => process.stderr.write(`weir: ${line}\n`);
    // Until the host stands there is nothing to read anew; without a handler the signal would end the process.
    let reload = () => {};
    process.on('SIGHUP', () => reload());
    if (filterDir !== undefined && installedFilters(filterDir).length === 0)
      print(
        `--filter-dir ${filterDir}: no built filter is there; "weir build" makes them from their sources`,
      );
    // Decided once: a file that goes away later must not make the host fall back to defaults.
    const path = values.config ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined);
    const config = readConfig(path, print);
    const assigner = await assignerOf(config, print);
    const host = await startHost({
      config,
      ...(assigner ? { assigner } : {}),
      readConfig() {
        if (path === undefined) return config;
        needRegularFile('CONFIG_UNREADABLE', path);
        return loadConfig(path);
      },
      ...(filterDir === undefined ? {} : { filterDir }),
      untilEof,
      now: () => fixedNowMs ?? Date.now(),
      print,
    });
    stop = host.stop;
    reload = () => void host.reload();
    if (isStopping) host.stop();
    if (path !== undefined) watchFile(path, { interval: CONFIG_LOOK_MS, persistent: false }, () => reload());
    return host.finished.finally(() => path !== undefined && unwatchFile(path));
  },
};

/** The agent of the fleet that the config names. */
async function assignerOf(config: Config, print: (line: string) => void) {
  const { appliance, data, fleet } = config;
  if (!fleet) return undefined;
  const { createAgent } = await import('../fleet/agent.js');
  const own = config.filters.map(({ instance }) => instance);
  makeDataFolder(data);
  const options = { appliance, ...fleet, folder: join(data, 'fleet'), own, now: Date.now, print };
  return createAgent(options).catch((error) => {
    throw diskError(data, error);
  });
}

function readConfig(path: string | undefined, print: (line: string) => void): Config {
  if (path !== undefined) return loadConfig(path);
  const facts = machineFacts();
  for (const log of DEFAULT_LOGS) {
    if (existsSync(log) && !facts.canRead(log)) print(`${log}: left out, because this user may not read it`);
  }
  return defaultConfig(facts);
}
