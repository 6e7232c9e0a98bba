/**
 * The broker of a host: that of its config, or one that it starts itself.
 */
import { type Broker, connectBroker } from './broker.js';
import type { Config } from './config.js';
import { oneLine, WeirError } from './errors.js';
import { startLocalBroker } from './local-broker.js';
import { inboxPrefix } from './wire.js';

export interface OpenBroker {
  readonly connection: Pick<
    Broker,
    | 'publish'
    | 'last'
    | 'first'
    | 'value'
    | 'hasOneReplica'
    | 'say'
    | 'subscribe'
    | 'connected'
    | 'onConnected'
    | 'ensureStream'
  >;
  stop(): Promise<void>;
}

/** The broker of the config, or one of our own. Without its binary the host runs on, with a bounded spool. */
export async function openBroker(config: Config, print: (line: string) => void): Promise<OpenBroker> {
  const options = {
    name: `weir-${config.appliance}`,
    inboxPrefix: inboxPrefix(config.appliance),
    wait: 'in-background',
    notice: print,
  } as const;
  if (config.nats) {
    const connection = await connectBroker({ ...config.nats, ...options });
    return { connection, stop: () => connection.close() };
  }
  const local = await startLocalBroker({ dataFolder: config.data, notice: print }).catch((error) => {
    if (!(error instanceof WeirError) || error.code !== 'BROKER_MISSING') throw error;
    print(`${oneLine(error)}; until then messages wait, up to a limit`);
    return undefined;
  });
  if (!local) return { connection: ABSENT_BROKER, stop: async () => {} };
  if (local.isStarted)
    print(`broker: started nats-server at ${local.shownUrl}; "weir tap --data ${config.data}" listens to it`);
  const connection = await connectBroker({ servers: [local.url], ...options });
  return {
    connection,
    async stop() {
      await connection.close();
      await local.stop();
    },
  };
}

const missing = () => Promise.reject(new WeirError('BROKER_MISSING', 'no nats-server on PATH'));

/** No broker is there and none will come: messages stay in the bounded spool. */
const ABSENT_BROKER: OpenBroker['connection'] = {
  say: () => {},
  connected: () => false,
  onConnected: () => {},
  publish: missing,
  last: missing,
  first: missing,
  value: missing,
  subscribe: () => ({ unsubscribe() {} }),
  hasOneReplica: () => false,
  ensureStream: async () => {},
};
