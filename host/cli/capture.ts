/**
 * `weir capture`: live events into a sample.
 */
import { captureSource, captureSubject, collect, needNewFile } from '../author/capture.js';
import { createRedaction, type Redaction } from '../author/redact.js';
import { counted } from '../author/report.js';
import { defaultDataFolder, loadConfig, type SourceConfig } from '../config.js';
import { WeirError } from '../errors.js';
import { type Command, parseCommand, wholeNumber } from './command.js';
import { localServer } from './localserver.js';
import { SUBJECT } from './tap.js';

export const capture: Command = {
  summary: 'write live events into a sample',
  help: `Usage: weir capture SUBJECT --events N --output FILE [OPTIONS]
       weir capture --source NAME --events N --output FILE [OPTIONS]

Writes N events into FILE, which must not be there, one a line: the records of a NATS subject as JSON, or what a
source of the config gives, read as "weir run" would and not published. Ctrl-C ends earlier and keeps what came; where
nothing came no file is written, and the exit code is 1.

  --events N        how many, 1 to 1000000
  --output FILE     the sample, e.g. filters/NAME/samples/live.log (also -o FILE)
  --source NAME     a source of the config
  --config FILE     the config (default: weir.json)
  --redact LIST     replace, the same value always by the same: "addresses" (IPv4, IPv6, Ethernet) and fields by
                    name in upper or lower case, e.g. addresses,user; a field is one of JSON, or FIELD=VALUE or
                    FIELD: VALUE in a line. It is told how many values were replaced for each name, with a warning
                    where there was none. Names within free text stay: read a sample before you share it
  --server URL      the broker (default: the one that a host on this machine started for itself)
  --data FOLDER     data folder of that host
  --creds FILE      NATS credentials

Example:
  weir capture --source auth --events 200 -o filters/ssh-auth/samples/live.log --redact addresses
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        events: { type: 'string' },
        output: { type: 'string', short: 'o' },
        source: { type: 'string' },
        config: { type: 'string', default: 'weir.json' },
        redact: { type: 'string' },
        server: { type: 'string' },
        data: { type: 'string' },
        creds: { type: 'string' },
      },
    });
    const { output, events, source, redact } = values;
    const [subject, ...others] = positionals;
    if ((subject === undefined) === (source === undefined) || others.length > 0)
      throw new WeirError('USAGE', 'expected either one SUBJECT or --source NAME');
    if (output === undefined || events === undefined)
      throw new WeirError('USAGE', `expected --events N and --output FILE`);
    if (subject !== undefined && !SUBJECT.test(subject))
      throw new WeirError('USAGE', `expected a SUBJECT such as weir.ev.*.ssh-auth.>, found "${subject}"`);
    const names = redact?.split(',').map((name) => name.trim());
    if (names?.includes(''))
      throw new WeirError('USAGE', `--redact: expected names between commas, found "${redact}"`);
    const redaction = names && createRedaction(names);
    const sink = collect(wholeNumber('--events', events, 1, 1_000_000), redaction?.hide);
    needNewFile(output);

    const stopped = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    const notice = (line: string) => void process.stderr.write(`weir: ${line}\n`);
    const started = () => notice(`waiting for ${counted(Number(events), 'event')}; Ctrl-C ends earlier`);
    const options = { stopped, notice, started };
    if (subject === undefined)
      await captureSource(sourceNamed(source as string, values.config), sink, options);
    else {
      const server = values.server ?? localServer(values.data ?? defaultDataFolder());
      const { creds } = values;
      await captureSubject(subject, sink, { ...options, server, ...(creds === undefined ? {} : { creds }) });
    }
    if (sink.events() === 0) {
      notice(`no event came, so ${output} was not written`);
      return 1;
    }
    sink.write(output);
    notice(`wrote ${counted(sink.events(), 'event')} to ${output}`);
    if (redaction) tellReplaced(redaction, output, notice);
    return 0;
  },
};

/** A misspelt name hides nothing, and whoever wrote it is sure that it does. */
function tellReplaced({ replaced }: Redaction, output: string, notice: (line: string) => void): void {
  for (const [name, values] of replaced)
    notice(
      values > 0
        ? `--redact ${name}: ${counted(values, 'value')} replaced`
        : `warning: --redact ${name}: nothing replaced; if this name is misspelt, ${output} still has what it was to hide`,
    );
}

function sourceNamed(name: string, configPath: string): SourceConfig {
  const { sources } = loadConfig(configPath);
  const found = sources.find((source) => source.name === name);
  if (found) return found;
  const known = sources.map((source) => source.name).join(', ');
  throw new WeirError('USAGE', `--source: expected one of ${known}, found "${name}"`);
}
