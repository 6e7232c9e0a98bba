/**
 * `weir tap`: subscribes, decodes, prints.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { connectBroker } from '../broker.js';
import { defaultDataFolder } from '../config.js';
import { oneLine, printable, WeirError } from '../errors.js';
import { jsonLine } from '../json.js';
import { unpack } from '../pack.js';
import { EVENTS_WILDCARD, HEADER } from '../wire.js';
import { type Command, parseCommand, wholeNumber } from './command.js';
import { localServer, localUrl } from './localserver.js';
import { LOGIN_HELP, LOGIN_OPTIONS, loginOf } from './login.js';

/** Names between dots; `*` stands for one, `>` for the rest. The broker takes others, and nothing ever comes. */
export const SUBJECT = /^(>|([^\s.*>]+|\*)(\.([^\s.*>]+|\*))*(\.>)?)$/;
/** How often the data folder is looked at for another broker. */
const LOOK_MS = 500;

export const tap: Command = {
  summary: 'print records as they are published',
  help: `Usage: weir tap [SUBJECT] [OPTIONS]

Subscribes to SUBJECT (default: ${EVENTS_WILDCARD}, all events of all appliances), decodes the messages and prints
their records as they come. Stop it with Ctrl-C.

  --server URL      the broker (default: the one that a host on this machine started for itself, also when that
                    host is started again)
  --data FOLDER     data folder of that host, where it leaves the address (default: that of "weir run")
${LOGIN_HELP}  --json            one JSON object a line: subject, filter, stream, seq and record
  --count N         stop after N records

Subjects are weir.ev.APPLIANCE.FILTER.STREAM; * stands for one name, > for all that follow.
Example: weir tap 'weir.ev.*.ssh-auth.logins' --server nats://127.0.0.1:4222
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        server: { type: 'string' },
        data: { type: 'string' },
        ...LOGIN_OPTIONS,
        json: { type: 'boolean', default: false },
        count: { type: 'string' },
      },
    });
    if (positionals.length > 1)
      throw new WeirError('USAGE', `expected one SUBJECT, found ${positionals.length}`);
    const most =
      values.count === undefined ? Number.POSITIVE_INFINITY : wholeNumber('--count', values.count, 1, 1e9);
    const subject = positionals[0] ?? EVENTS_WILDCARD;
    if (!SUBJECT.test(subject))
      throw new WeirError('USAGE', `expected a SUBJECT such as weir.ev.*.ssh-auth.>, found "${subject}"`);
    let stop = () => {};
    const done = new Promise<'done'>((resolve) => {
      stop = () => resolve('done');
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);

    let printed = 0;
    function show(found: string, headers: Readonly<Record<string, string>>, body: Uint8Array): void {
      try {
        unpack(headers, body, (record) => {
          if (printed >= most) return;
          printed++;
          process.stdout.write(values.json ? asJson(found, headers, record) : asText(found, record));
        });
      } catch (error) {
        process.stderr.write(`weir: ${found}: a message that is not weir's: ${oneLine(error)}\n`);
      }
      if (printed >= most) stop();
    }

    for (;;) {
      const folder = values.data ?? (values.server === undefined ? defaultDataFolder() : '');
      const server = values.server ?? localServer(folder);
      const broker = await connectBroker({
        ...loginOf({ ...values, server }),
        name: 'weir-tap',
        wait: 'fail-fast',
        notice: (line) => process.stderr.write(`weir: ${line}\n`),
      });
      broker.subscribe(subject, show);
      await broker.flush();
      process.stderr.write(`weir: listening to ${subject}; Ctrl-C stops\n`);
      const why = await Promise.race([done, ...(values.server === undefined ? [moved(folder, server)] : [])]);
      await broker.close();
      if (why === 'done') return 0;
    }
  },
};

function asJson(subject: string, headers: Readonly<Record<string, string>>, record: unknown): string {
  const filter = headers[HEADER.filter];
  const stream = headers[HEADER.stream];
  return `${jsonLine({ subject, filter, stream, seq: Number(headers[HEADER.seq]), record })}\n`;
}

function asText(subject: string, record: Readonly<Record<string, unknown>>): string {
  const { ts, ...fields } = record;
  const time = typeof ts === 'number' && Math.abs(ts) <= 8.64e15 ? new Date(ts).toISOString() : String(ts);
  const pairs = Object.entries(fields).map(([name, value]) => `${printable(name)}=${jsonLine(value)}`);
  return `${time} ${printable(subject.replace(/^weir\.ev\./, ''))} ${pairs.join(' ')}\n`;
}

/** Resolves once a host has left another address there: each start has a port and a password of its own. */
async function moved(dataFolder: string, server: string): Promise<'moved'> {
  for (;;) {
    await pause(LOOK_MS, undefined, { ref: false });
    try {
      if ((localUrl(dataFolder) ?? server) !== server) return 'moved';
    } catch {
      // It may be half written.
    }
  }
}
