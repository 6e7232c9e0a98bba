/**
 * `weir verify`: reads a stream back and says whether it is complete.
 */
import { connectBroker } from '../broker.js';
import { WeirError } from '../errors.js';
import { reportOf } from '../verify/report.js';
import { reportText } from '../verify/text.js';
import { createVerifier } from '../verify/verify.js';
import { STREAM_NAME } from '../wire.js';
import { type Command, parseCommand, timeOrAge } from './command.js';
import { LOGIN_HELP, LOGIN_OPTIONS, loginOf } from './login.js';
import { SUBJECT } from './tap.js';

export const verify: Command = {
  summary: 'read a stream back and tell whether anything is missing',
  help: `Usage: weir verify [SUBJECT] [OPTIONS]

Reads what a JetStream stream holds, from its beginning to its present end, and tells of each stream of each filter: messages, records, the
events that they count, messages that are lost and counted, holes, duplicates, and what else cannot be explained. Nothing is changed.
SUBJECT chooses, e.g. 'weir.ev.fw-01.>'; 'weir.*.fw-01.>' has dead letters, too (default: all).

  --stream NAME     the JetStream stream (default: ${STREAM_NAME})
  --since TIME      begin with what was stored then: 2026-01-31T12:00:00Z, or an age such as 90s, 15m, 24h, 7d
  --json            one JSON object, with "schema": 1
  --config FILE     servers, creds, nkey and tls as in this config of "weir run"
  --server URL      the broker (default: the one that a host on this machine started for itself)
  --data FOLDER     data folder of that host
${LOGIN_HELP}
Checked of each message: its number follows the one before, its headers agree with each other and with its subject, its body holds
as many records as it says; and of ledgers: each record adds up, and all of them tell of the events that their messages count.

Explained, and listed with reason and number: what the stream has let go of its oldest messages (also by a purge: that looks the
same), messages that the host counts as gone (Weir-Lost), epochs, and what ledgers count as lost, cut, dead or shed.

Not proven: that nothing came behind the last message of a subject, that a subject is there at all, and who wrote a message. Events
are compared with the ledger in the ledger's own messages; other streams count the same events, but only up to their last message.

The user needs to publish on $JS.API.STREAM.INFO.NAME, $JS.API.CONSUMER.CREATE.NAME.> (or .*.SUBJECT) and
$JS.API.CONSUMER.MSG.NEXT.NAME.>.

Exit code: 0 when all is explained; 1 when something is not, when there is nothing on SUBJECT, or when it cannot be read; 2 for
a wrong option.

Example: weir verify 'weir.*.fw-01.>' --since 24h --server nats://127.0.0.1:4222
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        stream: { type: 'string', default: STREAM_NAME },
        since: { type: 'string' },
        json: { type: 'boolean', default: false },
        config: { type: 'string' },
        server: { type: 'string' },
        data: { type: 'string' },
        ...LOGIN_OPTIONS,
      },
    });
    if (positionals.length > 1)
      throw new WeirError('USAGE', `expected one SUBJECT, found ${positionals.length}`);
    const [subject] = positionals;
    const { stream } = values;
    if (subject !== undefined && !SUBJECT.test(subject))
      throw new WeirError('USAGE', `expected a SUBJECT such as weir.ev.fw-01.>, found "${subject}"`);
    if (!STREAM.test(stream))
      throw new WeirError('USAGE', `--stream: expected the name of a stream, found "${stream}"`);
    const sinceMs = values.since === undefined ? undefined : timeOrAge('--since', values.since, Date.now());
    const broker = await connectBroker({
      ...loginOf(values),
      name: 'weir-verify',
      wait: 'fail-fast',
      notice: (line) => process.stderr.write(`weir: ${line}\n`),
    });
    try {
      const verifier = createVerifier();
      const which = {
        ...(subject === undefined ? {} : { subject }),
        ...(sinceMs === undefined ? {} : { sinceMs }),
      };
      const kept = await broker.read({ stream, ...which }, verifier.take);
      const report = reportOf(verifier.result(), kept, { stream, subject, sinceMs });
      process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : reportText(report));
      return report.complete ? 0 : 1;
    } finally {
      await broker.close();
    }
  },
};

/** What JetStream takes as a name. */
const STREAM = /^[^\s.*>/\\]{1,255}$/;
