/**
 * `fleet` in the config: whose assignments this appliance takes.
 */
import * as v from 'valibot';
import { readPoll } from './configvalues.js';
import { FLEET_POLL_MS_DEFAULT } from './fleetlimits.js';
import { name, object, textAs } from './validate.js';

export interface FleetConfig {
  readonly group: string;
  /** Path of the root of trust. */
  readonly root: string;
  /** How often it looks by itself. */
  readonly pollMs: number;
}

export function fleetSchema(path: v.GenericSchema<string, string>) {
  return object({
    group: name(),
    root: path,
    poll: v.exactOptional(textAs('a time from 10s to 24h, such as "5m"', readPoll)),
  });
}

export function fleetOf(found: { group: string; root: string; poll?: number }): FleetConfig {
  return { group: found.group, root: found.root, pollMs: found.poll ?? FLEET_POLL_MS_DEFAULT };
}
