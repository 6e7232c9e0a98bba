/**
 * The JetStream streams of a fleet, made by an operator: the bucket of signed files, the last status of each appliance, and the
 * audits of appliances and of operators. One that is there is left as it is, but refused where something is missing that the fleet rests on. What is in them is
 * whatever somebody had the right to publish: nothing of it decides anything unless it is signed.
 */
import { DiscardPolicy, type JetStreamManager, type StreamConfig, type StreamInfo } from 'nats';
import { WeirError } from './errors.js';
import { apiCode, isNoMessage, NOT_FOUND } from './jetstream.js';
import {
  AUDIT_BYTES_MAX,
  FLEET_AUDIT_BYTES_MAX,
  REPOSITORY_BYTES_MAX,
  STATUS_BYTES_MAX,
} from './fleetlimits.js';
import {
  AUDIT_STREAM,
  AUDIT_WILDCARD,
  FLEET_AUDIT_SUBJECT,
  FLEET_STREAM,
  REPOSITORY_STREAM,
  REPOSITORY_WILDCARD,
  STATUS_STREAM,
  STATUS_WILDCARD,
} from './wire.js';

type Settings = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects' | 'max_bytes'>;

/** Of an audit: full, it takes no more, and nothing goes. */
const FOR_GOOD = { discard: DiscardPolicy.New, deny_delete: true, deny_purge: true, allow_direct: true };

const STREAMS: readonly Settings[] = [
  {
    // As the key-value buckets of NATS are; `allow_direct` because appliances may read, and only so.
    name: REPOSITORY_STREAM,
    subjects: [REPOSITORY_WILDCARD],
    max_bytes: REPOSITORY_BYTES_MAX,
    max_msgs_per_subject: 1,
    discard: DiscardPolicy.New,
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: true,
  },
  {
    name: STATUS_STREAM,
    subjects: [STATUS_WILDCARD],
    max_bytes: STATUS_BYTES_MAX,
    max_msgs_per_subject: 1,
    allow_direct: true,
  },
  {
    name: AUDIT_STREAM,
    subjects: [AUDIT_WILDCARD],
    max_bytes: AUDIT_BYTES_MAX,
    ...FOR_GOOD,
  },
  {
    name: FLEET_STREAM,
    subjects: [FLEET_AUDIT_SUBJECT],
    max_bytes: FLEET_AUDIT_BYTES_MAX,
    ...FOR_GOOD,
  },
];

/** What people may choose otherwise: how much is kept. */
const FREE: readonly string[] = ['max_bytes'];

/**
 * Makes those that are missing. Throws STREAM_REFUSED when that is refused, FLEET_STREAM for one that is otherwise, BROKER_STORE for one of which
 * the broker knows, and has lost what was in it.
 */
export async function ensureFleetStreams(
  manager: JetStreamManager,
  reason: (error: unknown) => string,
): Promise<void> {
  for (const settings of STREAMS) {
    try {
      const found = await infoOf(manager, settings.name);
      if (found) check(settings, found.config);
      else await manager.streams.add(settings);
      // In the others the first one is another one from moment to moment.
      if (settings.deny_delete) await checkStore(manager, settings.name);
    } catch (error) {
      if (error instanceof WeirError) throw error;
      const problem = `cannot be looked at or created: ${reason(error)}`;
      throw new WeirError('STREAM_REFUSED', `stream ${settings.name}: ${problem}`);
    }
  }
}

async function infoOf(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (apiCode(error) === NOT_FOUND) return undefined;
    throw error;
  }
}

/** A broker whose store was deleted under it goes on to say what streams it has, and how much is in them. */
async function checkStore(manager: JetStreamManager, name: string): Promise<void> {
  let place = 0;
  for (let attempt = 0; attempt < STORE_ATTEMPTS; attempt++) {
    const { state } = await manager.streams.info(name);
    if (state.messages === 0) return;
    place = state.first_seq;
    try {
      await manager.streams.getMessage(name, { seq: place });
      return;
    } catch (error) {
      if (!isNoMessage(error)) throw error;
    }
  }
  const problem = `expected the message in place ${place}, which the broker counts, found that it cannot read it`;
  throw new WeirError('BROKER_STORE', `stream ${name}: ${problem}`);
}

/** Somebody may have written it anew in between. */
const STORE_ATTEMPTS = 3;

function check(settings: Settings, found: StreamConfig): void {
  for (const [key, expected] of Object.entries(settings)) {
    const actual = found[key as keyof StreamConfig];
    if (FREE.includes(key) || JSON.stringify(actual) === JSON.stringify(expected)) continue;
    const problem = `expected ${key} to be ${JSON.stringify(expected)}, found ${JSON.stringify(actual)}`;
    throw new WeirError('FLEET_STREAM', `stream ${settings.name}: ${problem}`);
  }
}
