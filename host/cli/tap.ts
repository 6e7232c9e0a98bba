/**
 * `weir tap`: subscribes, decodes, prints.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectBroker } from '../broker.js';
import { defaultDataFolder } from '../config.js';
import { oneLine, systemCode, WeirError } from '../errors.js';
import { unpack } from '../pack.js';
import { EVENTS_WILDCARD, HEADER } from '../wire.js';
import { type Command, parseCommand, wholeNumber } from './command.js';

export const tap: Command = {
  summary: 'print records as they are published',
  help: `Usage: weir tap [SUBJECT] [OPTIONS]

Subscribes to SUBJECT (default: ${EVENTS_WILDCARD}, all events of all appliances), decodes the messages and prints
their records as they come. Stop it with Ctrl-C.

  --server URL    the broker (default: the one that a host on this machine started for itself)
  --data FOLDER   data folder of that host, where it leaves the address (default: that of "weir run")
  --creds FILE    NATS credentials
  --json          one JSON object a line: subject, filter, stream, seq and record
  --count N       stop after N records

Subjects are weir.ev.APPLIANCE.FILTER.STREAM; * stands for one name, > for all that follow.
Example: weir tap 'weir.ev.*.ssh-auth.logins' --server nats://127.0.0.1:4222
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        server: { type: 'string' },
        data: { type: 'string' },
        creds: { type: 'string' },
        json: { type: 'boolean', default: false },
        count: { type: 'string' },
      },
    });
    if (positionals.length > 1)
      throw new WeirError('USAGE', `expected one SUBJECT, found ${positionals.length}`);
    const most =
      values.count === undefined ? Number.POSITIVE_INFINITY : wholeNumber('--count', values.count, 1, 1e9);
    const subject = positionals[0] ?? EVENTS_WILDCARD;
    const server = values.server ?? localServer(values.data ?? defaultDataFolder());
    const broker = await connectBroker({
      servers: [server],
      name: 'weir-tap',
      wait: 'fail-fast',
      notice: (line) => process.stderr.write(`weir: ${line}\n`),
      ...(values.creds === undefined ? {} : { creds: values.creds }),
    });
    process.stderr.write(`weir: listening to ${subject}; Ctrl-C stops\n`);

    let printed = 0;
    const done = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
      broker.subscribe(subject, (found, headers, body) => {
        try {
          unpack(headers, body, (record) => {
            if (printed >= most) return;
            printed++;
            process.stdout.write(values.json ? asJson(found, headers, record) : asText(found, record));
          });
        } catch (error) {
          process.stderr.write(`weir: ${found}: a message that is not weir's: ${oneLine(error)}\n`);
        }
        if (printed >= most) resolve();
      });
    });
    await broker.flush();
    await done;
    await broker.close();
    return 0;
  },
};

function asJson(subject: string, headers: Readonly<Record<string, string>>, record: unknown): string {
  const filter = headers[HEADER.filter];
  const stream = headers[HEADER.stream];
  return `${JSON.stringify({ subject, filter, stream, seq: Number(headers[HEADER.seq]), record })}\n`;
}

function asText(subject: string, record: Readonly<Record<string, unknown>>): string {
  const { ts, ...fields } = record;
  const time = typeof ts === 'number' && Math.abs(ts) <= 8.64e15 ? new Date(ts).toISOString() : String(ts);
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `${time} ${subject.replace(/^weir\.ev\./, '')} ${pairs.join(' ')}\n`;
}

/** The broker that a host on this machine has started, as it says in its data folder. */
function localServer(dataFolder: string): string {
  const path = join(dataFolder, 'broker.json');
  try {
    const { url } = JSON.parse(readFileSync(path, 'utf8')) as { url?: unknown };
    if (typeof url === 'string') return url;
  } catch (error) {
    if (systemCode(error) !== 'ENOENT')
      throw new WeirError('BROKER_UNREACHABLE', `${path}: ${oneLine(error)}`);
  }
  throw new WeirError(
    'USAGE',
    `expected --server, because no host has left a broker's address in ${dataFolder}`,
  );
}
