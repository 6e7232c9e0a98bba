/**
 * `weir replay`: a filter over files, with the engine that runs on the appliance and no broker.
 */

import { createEngine } from '../engine.js';
import { WeirError } from '../errors.js';
import { startFilter } from '../filter/instance.js';
import { loadFilter } from '../filter/library.js';
import { BATCH_BYTES_DEFAULT, BATCH_BYTES_MAX, BATCH_BYTES_MIN } from '../limits.js';
import { jsonLines } from '../pack.js';
import { createFileSource } from '../source/file.js';
import { expand } from '../source/glob.js';
import { instanceZones } from '../timezone.js';
import { type Command, isoTime, parseCommand, wholeNumber, zoneName } from './command.js';

export const replay: Command = {
  summary: 'run a filter over files and print its records',
  help: `Usage: weir replay FILTER FILE... [OPTIONS]

Runs FILTER over the FILEs, one after the other, and prints each record as one JSON object a line on standard
output, with its stream under "stream". The engine is the one that "weir run" uses; no broker is needed. At the
end all windows are closed; the last line is the ledger: what became of every event.

  --config-json JSON   the filter's config, as under "config" in weir.json
  --now TIME           the time at which the events are received, e.g. 2026-01-31T12:00:00Z; it gives a year to
                       dates that have none (default: the present)
  --timezone ZONE      zone of dates that have none, e.g. Europe/Berlin (default: UTC)
  --batch-bytes N      bytes handed to the filter at a time, ${BATCH_BYTES_MIN} to ${BATCH_BYTES_MAX} (default: ${BATCH_BYTES_DEFAULT});
                       the records do not depend on it
  --stats              print one JSON line of figures on standard error: events, bytes, records, bytes_out,
                       compressed_bytes, seconds (reading, filtering and packing), events_per_second,
                       memory_bytes, and the ledger
  --quiet              print no records

Example:
  weir replay ssh-auth /var/log/auth.log --stats
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        'config-json': { type: 'string', default: '{}' },
        now: { type: 'string' },
        timezone: { type: 'string', default: 'UTC' },
        'batch-bytes': { type: 'string', default: String(BATCH_BYTES_DEFAULT) },
        stats: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
      },
    });
    const [name, ...files] = positionals;
    if (name === undefined || files.length === 0)
      throw new WeirError('USAGE', 'expected FILTER and at least one FILE');
    const nowMs = values.now === undefined ? Date.now() : isoTime('--now', values.now);
    const { manifest, module } = loadFilter(name);
    const filter = startFilter({
      manifest,
      module,
      config: parseConfigJson(values['config-json']),
      zones: instanceZones(zoneName('--timezone', values.timezone), '--timezone'),
    });
    for (const file of files) {
      // A shell hands over a pattern as it is when no file matches.
      if (expand(file, 1).paths.length === 0)
        throw new WeirError('SOURCE_UNREADABLE', `${file}: no such file`);
    }
    const source = createFileSource('replay', files, { untilEof: true });
    source.onNotice((line) => process.stderr.write(`weir: ${line}\n`));
    await source.open();

    const printer = createPrinter();
    const engine = createEngine({
      appliance: 'replay',
      epoch: 'replay',
      batchBytes: wholeNumber('--batch-bytes', values['batch-bytes'], BATCH_BYTES_MIN, BATCH_BYTES_MAX),
      filters: [{ instance: name, filter, format: 'cbor', cursors: new Map([['replay', source.cursor()]]) }],
      send: () => {},
      ...(values.quiet ? {} : { onRecord: printer.keep }),
      onFault: (_instance, error) => {
        throw error;
      },
    });

    let seconds = 0;
    const timed = (work: () => boolean) => {
      const start = process.hrtime.bigint();
      const isBusy = work();
      seconds += Number(process.hrtime.bigint() - start) / 1e9;
      return isBusy;
    };
    while (timed(() => engine.turn(nowMs))) await printer.print();
    timed(() => {
      engine.closeWindows(nowMs);
      engine.closeLedgers(nowMs);
      engine.cut();
      return false;
    });
    await printer.print();
    await source.close();
    if (values.stats) {
      const { events, bytes, records, recordBytes, compressedBytes } = engine.totals();
      const stats = {
        events,
        bytes,
        records,
        bytes_out: recordBytes,
        compressed_bytes: compressedBytes,
        seconds: Number(seconds.toFixed(6)),
        events_per_second: Math.round(events / Math.max(seconds, 1e-6)),
        memory_bytes: manifest.memoryBytes,
        ledger: filter.ledger(),
      };
      process.stderr.write(`${JSON.stringify(stats)}\n`);
    }
    return 0;
  },
};

function parseConfigJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Node quotes a part of the text, which may hold a secret.
    const [mistake] = (error as Error).message.split(/, \.*"/);
    throw new WeirError('USAGE', `--config-json: expected a JSON object, found ${mistake}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WeirError('USAGE', `--config-json: expected a JSON object, found ${text.slice(0, 60)}`);
  }
  return value;
}

/** Keeps the records of a batch while it is timed, and prints them after it. */
function createPrinter() {
  const kept: { instance: string; stream: string; record: Uint8Array }[] = [];
  return {
    keep(instance: string, stream: string, record: Uint8Array): void {
      kept.push({ instance, stream, record: Uint8Array.from(record) });
    },
    async print(): Promise<void> {
      let text = '';
      for (const { instance, stream, record } of kept) {
        text += jsonLines(instance, record, (fields) => ({ stream, ...fields }));
      }
      kept.length = 0;
      if (text && !process.stdout.write(text))
        await new Promise((resolve) => process.stdout.once('drain', resolve));
    },
  };
}
