/**
 * `weir replay`: a filter over files, with the engine that runs on the appliance and no broker.
 */
import { filterIn, findFilter, projectIn } from '../author/project.js';
import { summaryText } from '../author/report.js';
import { type Rerun, rerun } from '../author/rerun.js';
import { WeirError } from '../errors.js';
import type { Manifest } from '../filter/manifest.js';
import { BATCH_BYTES_DEFAULT, BATCH_BYTES_MAX, BATCH_BYTES_MIN } from '../limits.js';
import { settingsFor } from '../author/samples.js';
import { instanceZones } from '../timezone.js';
import { type Command, folderPath, givenSettings, parseCommand, wholeNumber } from './command.js';

export const replay: Command = {
  summary: 'run a filter over files and print its records',
  help: `Usage: weir replay FILTER FILE... [OPTIONS]

Runs FILTER over the FILEs, one after the other and each once, and prints each record as one JSON object a line on standard
output, with its stream under "stream"; - is standard input, for compressed files and pipes (see below). The engine is the one that "weir run" uses; no broker
is needed. At the end all windows are closed; the last line is the ledger: what became of every event. FILTER is one
of this folder's filters (built first where it is stale) or a shipped one.

  --config-json JSON   the filter's config, as under "config" in weir.json
  --now TIME           the time at which the events are received, e.g. 2026-01-31T12:00:00Z; it gives a year to
                       dates that have none (default: the present)
  --timezone ZONE      zone of dates that have none, e.g. Europe/Berlin (default: UTC)
  --filter-dir DIR     take FILTER from DIR: a folder of built or source filters, or FILTER's own folder
  --batch-bytes N      bytes handed to the filter at a time, ${BATCH_BYTES_MIN} to ${BATCH_BYTES_MAX} (default: ${BATCH_BYTES_DEFAULT});
                       the records do not depend on it
  --summary            print a summary for people on standard error: events, records of each stream, what was
                       discarded and malformed, bytes, time and memory
  --stats              print one JSON line of figures on standard error: events, bytes, records, bytes_out,
                       compressed_bytes, seconds (reading, filtering and packing), events_per_second,
                       memory_bytes, and the ledger
  --quiet              print no records

What --config-json, --now and --timezone do not say is taken from the settings beside FILE (FILE.json), where it is the one FILE and
a sample of FILTER (FILTER/samples/FILE); which settings those are is told. Beside other files nothing is looked for.

Examples:
  weir replay ssh-auth /var/log/auth.log --summary
  journalctl -t sshd | weir replay ssh-auth -
  zcat /var/log/auth.log.2.gz | weir replay ssh-auth - --now 2026-01-31T12:00:00Z
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        'config-json': { type: 'string' },
        now: { type: 'string' },
        timezone: { type: 'string' },
        'filter-dir': { type: 'string' },
        'batch-bytes': { type: 'string', default: String(BATCH_BYTES_DEFAULT) },
        summary: { type: 'boolean', default: false },
        stats: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
      },
    });
    const [name, ...inputs] = positionals;
    if (name === undefined || inputs.length === 0)
      throw new WeirError('USAGE', 'expected FILTER and at least one FILE');
    const notice = (line: string) => void process.stderr.write(`weir: ${line}\n`);
    const { config = {}, timezone = 'UTC', now } = settingsFor(name, inputs, givenSettings(values), notice);
    const options = {
      config,
      zones: instanceZones(timezone, '--timezone'),
      nowMs: typeof now === 'string' ? Date.parse(now) : (now ?? Date.now()),
      batchBytes: wholeNumber('--batch-bytes', values['batch-bytes'], BATCH_BYTES_MIN, BATCH_BYTES_MAX),
      inputs,
      notice,
      ...(values.quiet ? {} : { print }),
    };
    const tell = (text: string) => process.stderr.write(text);
    const directory = values['filter-dir'];
    const filter =
      directory === undefined
        ? await findFilter(projectIn(process.cwd()), name, tell)
        : await filterIn(folderPath('--filter-dir', directory), name, tell);
    const result = await rerun({ ...options, filter });
    if (values.summary) process.stderr.write(summaryText(filter.manifest, result));
    if (values.stats) process.stderr.write(`${JSON.stringify(statsOf(filter.manifest, result))}\n`);
    return 0;
  },
};

async function print(lines: string): Promise<void> {
  if (!process.stdout.write(lines)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

function statsOf({ memoryBytes }: Manifest, { events, bytes, streams, bytesOut, ...rest }: Rerun) {
  const { compressedBytes, seconds, ledger } = rest;
  return {
    events,
    bytes,
    records: Object.values(streams).reduce((sum, records) => sum + records, 0),
    bytes_out: bytesOut,
    compressed_bytes: compressedBytes,
    seconds: Number(seconds.toFixed(6)),
    events_per_second: Math.round(events / Math.max(seconds, 1e-6)),
    memory_bytes: memoryBytes,
    ledger,
  };
}
