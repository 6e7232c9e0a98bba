/**
 * `weir fleet streams`: the streams of a fleet, made with an operator's key.
 */
import { connectBroker } from '../../broker.js';
import { WeirError } from '../../errors.js';
import {
  AUDIT_STREAM,
  FLEET_STREAM,
  REPOSITORY_BUCKET,
  REPOSITORY_STREAM,
  STATUS_STREAM,
  STREAM_NAME,
} from '../../wire.js';
import { type Command, parseCommand } from '../command.js';
import { LOGIN_HELP, LOGIN_OPTIONS, loginOf } from '../login.js';

export const streams: Command = {
  summary: 'make the streams of a fleet on its broker',
  help: `Usage: weir fleet streams [OPTIONS]

Makes the JetStream streams of a fleet that are missing, with one replica, and leaves those that are there as they are: ${STREAM_NAME} (events
and dead letters), the bucket ${REPOSITORY_BUCKET} (signed files), ${STATUS_STREAM} (the last status of each appliance), ${AUDIT_STREAM} and
${FLEET_STREAM} (what appliances and what operators have done; nothing of it can be deleted, and when one is full it takes no more until it is given
room).

  --server URL      the broker
${LOGIN_HELP}  --config FILE     servers, creds, nkey and tls as in this config of "weir run"

The user has to be an operator: "weir fleet nats-config" makes a key for one.

Example: weir fleet streams --server nats://127.0.0.1:4222 --nkey fleet/operators/operator.nk
`,
  async run(args) {
    const { values } = parseCommand(args, {
      options: {
        server: { type: 'string' },
        ...LOGIN_OPTIONS,
        config: { type: 'string' },
      },
    });
    if (values.server === undefined && values.config === undefined)
      throw new WeirError('USAGE', 'expected --server URL or --config FILE');
    const broker = await connectBroker({
      ...loginOf(values),
      name: 'weir-fleet',
      wait: 'fail-fast',
      notice: (line) => process.stderr.write(`weir: ${line}\n`),
    });
    try {
      await broker.ensureFleetStreams();
      const names = [STREAM_NAME, REPOSITORY_STREAM, STATUS_STREAM, AUDIT_STREAM, FLEET_STREAM].join(', ');
      process.stdout.write(`the streams are there: ${names}\n`);
      return 0;
    } finally {
      await broker.close();
    }
  },
};
