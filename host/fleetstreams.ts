/**
 * The JetStream streams of a fleet, made by an operator: the bucket of signed files, the last status of each appliance, and the
 * audit. One that is there is left as it is, but refused where something is missing that the fleet rests on. What is in them is
 * whatever somebody had the right to publish: nothing of it decides anything unless it is signed.
 */
import { DiscardPolicy, type JetStreamManager, type StreamConfig } from 'nats';
import { WeirError } from './errors.js';
import { apiCode, NOT_FOUND } from './jetstream.js';
import { AUDIT_BYTES_MAX, REPOSITORY_BYTES_MAX, STATUS_BYTES_MAX } from './fleetlimits.js';
import {
  AUDIT_STREAM,
  AUDIT_WILDCARD,
  FLEET_AUDIT_SUBJECT,
  REPOSITORY_STREAM,
  REPOSITORY_WILDCARD,
  STATUS_STREAM,
  STATUS_WILDCARD,
} from './wire.js';

type Settings = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects' | 'max_bytes'>;

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
    subjects: [AUDIT_WILDCARD, FLEET_AUDIT_SUBJECT],
    max_bytes: AUDIT_BYTES_MAX,
    discard: DiscardPolicy.New,
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
  },
];

/** What people may choose otherwise: how much is kept. */
const FREE: readonly string[] = ['max_bytes'];

/** Makes those that are missing. Throws STREAM_REFUSED when that is refused, FLEET_STREAM for one that is otherwise. */
export async function ensureFleetStreams(
  manager: JetStreamManager,
  reason: (error: unknown) => string,
): Promise<void> {
  for (const settings of STREAMS) {
    try {
      const found = await configOf(manager, settings.name);
      if (found) check(settings, found);
      else await manager.streams.add(settings);
    } catch (error) {
      if (error instanceof WeirError) throw error;
      const problem = `cannot be looked at or created: ${reason(error)}`;
      throw new WeirError('STREAM_REFUSED', `stream ${settings.name}: ${problem}`);
    }
  }
}

async function configOf(manager: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(name)).config;
  } catch (error) {
    if (apiCode(error) === NOT_FOUND) return undefined;
    throw error;
  }
}

function check(settings: Settings, found: StreamConfig): void {
  for (const [key, expected] of Object.entries(settings)) {
    const actual = found[key as keyof StreamConfig];
    if (FREE.includes(key) || JSON.stringify(actual) === JSON.stringify(expected)) continue;
    const problem = `expected ${key} to be ${JSON.stringify(expected)}, found ${JSON.stringify(actual)}`;
    throw new WeirError('FLEET_STREAM', `stream ${settings.name}: ${problem}`);
  }
}
