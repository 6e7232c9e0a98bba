/**
 * What `weir push` is asked for, checked before it builds anything: what is mistyped is told at once.
 */
import { existsSync } from 'node:fs';
import { needSources, projectIn } from '../author/project.js';
import { WeirError } from '../errors.js';
import type { Release } from '../fleet/assignment.js';
import { NAME_PATTERN } from '../wire.js';
import { isoTime, jsonObject, parseCommand, wholeNumber, zoneName } from './command.js';
import { PROPOSE_OPTIONS } from './fleet/carryout.js';
import { checkMotive } from './fleet/motive.js';
import { FLEET_OPTIONS, type FleetValues } from './fleet/operate.js';

export type Settings = Pick<Release, 'from' | 'timezone' | 'format' | 'config'>;

export interface PushArgs {
  /** For what reads the repository and signs. */
  readonly values: FleetValues & { readonly propose?: string | undefined };
  readonly names: readonly string[];
  readonly group: string;
  readonly percent: number;
  readonly reason: string;
  readonly ticket: string | undefined;
  readonly as: string | undefined;
  readonly isAnew: boolean;
  /** What is named goes before what it was. */
  readonly settings: Partial<Settings>;
  readonly notBefore: Pick<Release, 'not_before'>;
}

const OPTIONS = {
  ...FLEET_OPTIONS,
  ...PROPOSE_OPTIONS,
  group: { type: 'string' },
  from: { type: 'string', multiple: true },
  percent: { type: 'string', default: '100' },
  reason: { type: 'string' },
  ticket: { type: 'string' },
  as: { type: 'string' },
  'filter-config': { type: 'string' },
  timezone: { type: 'string' },
  format: { type: 'string' },
  'not-before': { type: 'string' },
  anew: { type: 'boolean', default: false },
} as const;

/** Throws USAGE, FILTER_UNKNOWN, or FILE_EXISTS where a proposal is to be written over something. */
export function pushArgs(args: readonly string[]): PushArgs {
  const { values, positionals } = parseCommand(args, { allowPositionals: true, options: OPTIONS });
  const { group, reason, ticket, as, from = [], timezone, format, propose } = values;
  const names = [...new Set(positionals)];
  if (names.length === 0 || group === undefined || reason === undefined)
    throw new WeirError('USAGE', 'expected at least one NAME, --group and --reason');
  if (as !== undefined && names.length > 1) throw new WeirError('USAGE', '--as: expected one NAME beside it');
  needName('--group', group);
  if (as !== undefined) needName('--as', as);
  for (const source of from) needName('--from', source);
  const percent = wholeNumber('--percent', values.percent, 0, 100);
  checkMotive(reason, ticket);
  if (propose !== undefined && existsSync(propose))
    throw new WeirError('FILE_EXISTS', `${propose}: expected a new file`);
  const config = values['filter-config'];
  const settings = {
    ...(from.length === 0 ? {} : { from }),
    ...(timezone === undefined ? {} : { timezone: zoneName('--timezone', timezone) }),
    ...(format === undefined ? {} : { format: formatOf(format) }),
    ...(config === undefined ? {} : { config: jsonObject('--filter-config', config) }),
  };
  needSources(projectIn('.'), names);
  const notBefore = notBeforeOf(values['not-before']);
  return { values, names, group, percent, reason, ticket, as, isAnew: values.anew, settings, notBefore };
}

function needName(option: string, text: string): void {
  if (NAME_PATTERN.test(text)) return;
  throw new WeirError('USAGE', `${option}: expected a name of letters, digits, - and _, found "${text}"`);
}

function formatOf(text: string): 'cbor' | 'ndjson' {
  if (text === 'cbor' || text === 'ndjson') return text;
  throw new WeirError('USAGE', `--format: expected cbor or ndjson, found "${text}"`);
}

function notBeforeOf(text: string | undefined): Pick<Release, 'not_before'> {
  if (text === undefined) return {};
  return { not_before: `${new Date(isoTime('--not-before', text)).toISOString().slice(0, 19)}Z` };
}
