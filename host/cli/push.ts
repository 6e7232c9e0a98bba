/**
 * `weir push`: filters to a group of appliances.
 */
import { WeirError } from '../errors.js';
import { checkFilter, hasFailed } from '../author/check.js';
import { authoredFilters, projectIn } from '../author/project.js';
import type { Assignment, Release } from '../fleet/assignment.js';
import { type Audience, audienceOf } from '../fleet/audience.js';
import { type Bundle, bundleHash, bundlePath, unpackBundle } from '../fleet/bundle.js';
import { bundleFilter } from '../fleet/gather.js';
import {
  draftChange,
  emptyAssignment,
  filesOf,
  lookAtAssignment,
  type Operator,
  readAssignment,
} from '../fleet/operator.js';
import { newRollout, ofFilter, pushed } from '../fleet/rollout.js';
import { selfTest } from '../fleet/selftest.js';
import { startFilter } from '../filter/instance.js';
import { instanceZones } from '../timezone.js';
import { readStatuses } from '../fleet/statuses.js';
import { type Command, isoTime, jsonObject, parseCommand, wholeNumber, zoneName } from './command.js';
import { carryOut, PROPOSE_HELP, PROPOSE_OPTIONS } from './fleet/carryout.js';
import { FLEET_HELP, FLEET_OPTIONS, isSure, operate, print } from './fleet/operate.js';
import { checkMotive, motiveOf } from './fleet/motive.js';

export const push: Command = {
  summary: 'push filters to a group of appliances, signed',
  help: `Usage: weir push NAME... --group GROUP --from SOURCE --reason TEXT [OPTIONS]

Builds filters of this project, tests them as "weir test" does, bundles and signs them, publishes that, and assigns them to a
group of appliances. Nothing is published when a test fails. Appliances verify the signatures, try each filter's samples, and swap it in
while events flow; at its first faults the version before takes over again by itself.

With --percent only a part of the group runs it, chosen by a hash; "weir fleet promote" goes on, "weir fleet rollback" back.

  --group GROUP     whose it is: appliances have "fleet": { "group": GROUP } in their config
  --from SOURCE     a source of the appliances that it reads, by its name in their config; may be repeated (default: as before)
  --percent P       how much of the group runs it, 0 to 100 (default: 100)
  --reason TEXT     why, for the audit
  --ticket TEXT     where that was decided
  --as NAME         the name under which one filter runs, the token of its subjects (default: its own)
  --filter-config JSON  the filter's own config (default: as before)
  --timezone ZONE   of dates that have none (default: as before, or UTC)
  --format FORMAT   cbor or ndjson (default: as before, or cbor)
  --not-before TIME  when appliances may begin
  --anew            what is assigned to the group cannot be read: put this in the place of all of it
${PROPOSE_HELP}${FLEET_HELP}
Example: weir push ssh-auth --group edge --from auth --reason "logins of the edge" --percent 10
`,
  async run(args) {
    const { values, positionals: names } = parseCommand(args, {
      allowPositionals: true,
      options: {
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
      },
    });
    const { group, reason } = values;
    if (names.length === 0 || group === undefined || reason === undefined)
      throw new WeirError('USAGE', 'expected at least one NAME, --group and --reason');
    if (values.as !== undefined && names.length > 1)
      throw new WeirError('USAGE', '--as: expected one NAME beside it');
    const percent = wholeNumber('--percent', values.percent, 0, 100);
    checkMotive(reason, values.ticket);
    const bundles = await bundlesOf(names);
    return operate(values, async (operator) => {
      const motive = motiveOf(operator.folder, reason, values.ticket);
      const before = await (values.anew ? replaced : readAssignment)(operator, group);
      const audience = audienceOf(group, await readStatuses(operator.broker));
      const base = { ...motive, percent, ...notBefore(values['not-before']) };
      const { next, releases } = composed(values, before, group, bundles, base, audience);
      for (const [at, { bundle }] of bundles.entries()) checkStart(bundle, releases[at] as Release);
      const warnings = releases.flatMap(({ from }) => audience.warnings(from));
      for (const warning of new Set(warnings)) print(warning);
      const versions = releases.map(({ version }) => version).join(', ');
      const instead = values.anew ? ', and nothing else' : '';
      if (!(await isSure(values, `Push ${versions} to ${percent} % of ${group}${instead}?`))) return 1;
      const files = new Map(bundles.map(({ label, bytes }) => [bundlePath(label), bytes]));
      const targets = await draftChange(operator, await filesOf(operator, next, files));
      const instances = bundles.map(({ name }) => values.as ?? name);
      const act = {
        action: 'pushed',
        group,
        filter: instances.join(', '),
        before: values.anew ? 'what could not be read' : versionsIn(before, instances),
        after: versions,
        percent,
        ...motive,
      };
      await carryOut(values, operator, { targets }, act, {
        value: { group, serial: next.serial, percent, releases },
        lines: releases.map(({ version }) => `pushed ${version} to ${percent} % of ${group}`),
      });
      return 0;
    });
  },
};

/** Nothing, where what is assigned cannot be read. Throws USAGE where it can. */
async function replaced(operator: Operator, group: string): Promise<Assignment> {
  const found = await lookAtAssignment(operator, group);
  if (typeof found !== 'string')
    throw new WeirError(
      'USAGE',
      `--anew: expected what is assigned to ${group} to be unreadable, found it whole`,
    );
  print(`what is assigned to ${group} cannot be read, and is replaced: ${found}`);
  return emptyAssignment(operator, group);
}

/** The assignment with a release of each bundle; however many are pushed, it is one change. */
function composed(
  values: PushValues,
  before: Assignment | undefined,
  group: string,
  bundles: readonly Built[],
  base: Pick<Release, 'percent' | 'reason' | 'by' | 'at'>,
  { hasRun }: Pick<Audience, 'hasRun'>,
): { readonly next: Assignment; readonly releases: readonly Release[] } {
  let assignment = before;
  const releases: Release[] = [];
  for (const { name, label } of bundles) {
    const instance = values.as ?? name;
    const settings = settingsOf(values, instance, assignment);
    const release = {
      ...settings,
      ...base,
      version: label,
      bundle: bundlePath(label),
      rollout: newRollout(),
    };
    assignment = pushed(assignment, group, instance, release, hasRun);
    releases.push(release);
  }
  const serial = (before?.serial ?? 0) + 1;
  return { next: { ...(assignment as Assignment), serial }, releases };
}

/** Versions of filters before a change, for the audit; null where there is none at all. */
function versionsIn(before: Assignment | undefined, instances: readonly string[]): string | null {
  const versions = instances.map((instance) => ofFilter(before, instance)?.release.version);
  return versions.some(Boolean) ? versions.map((version) => version ?? 'nothing').join(', ') : null;
}

/** Throws FILTER_CONFIG, or what else keeps the filter from starting with what it is assigned. */
function checkStart({ manifest, module }: Bundle, { config = {}, timezone = 'UTC' }: Release): void {
  startFilter({ manifest, module, config, zones: instanceZones(timezone, '--timezone') });
}

interface Built {
  readonly name: string;
  readonly bundle: Bundle;
  readonly label: string;
  readonly bytes: Uint8Array;
}

/** Builds, tests and bundles the filters. Throws what is wrong with the first that fails. */
async function bundlesOf(names: readonly string[]): Promise<Built[]> {
  const project = projectIn('.');
  const tell = (text: string) => process.stderr.write(text);
  const built: Built[] = [];
  for (const name of names) {
    if (authoredFilters(project).includes(name)) {
      const report = await checkFilter(name, { project, folder: '.', golden: 'compare', tell });
      const failed = report.checks.filter(({ problem }) => problem.length > 0);
      if (hasFailed(report)) {
        const others = failed.flatMap(({ name: check, problem }) => [
          check,
          ...problem.map((line) => `  ${line}`),
        ]);
        throw new WeirError(
          'SELF_TEST_FAILED',
          `filter ${name}: expected its tests to pass, found ${failed.length} that fail`,
          { others },
        );
      }
    }
    const bytes = await bundleFilter(project, name, tell);
    const bundle = unpackBundle(bytes, name);
    await selfTest(bundle);
    print(`${bundle.label}: tested, ${bytes.length} bytes, SHA-256 ${bundleHash(bytes)}`);
    built.push({ name, bundle, label: bundle.label, bytes });
  }
  return built;
}

interface PushValues {
  readonly as?: string;
  readonly from?: string[];
  readonly timezone?: string;
  readonly format?: string;
  readonly 'filter-config'?: string;
}

type Settings = Pick<Release, 'from' | 'timezone' | 'format' | 'config'>;

/** What is named goes before what it was. */
function settingsOf(values: PushValues, instance: string, assignment: Assignment | undefined): Settings {
  const { from, timezone, format, config } = ofFilter(assignment, instance)?.release ?? {};
  const sources = values.from ?? from;
  if (!sources) throw new WeirError('USAGE', `--from: expected a source for ${instance}, which ${NEW}`);
  const found = {
    timezone: values.timezone === undefined ? timezone : zoneName('--timezone', values.timezone),
    format: values.format === undefined ? format : formatOf(values.format),
    config:
      values['filter-config'] === undefined ? config : jsonObject('--filter-config', values['filter-config']),
  };
  const named = Object.entries(found).filter(([, value]) => value !== undefined);
  return { from: sources, ...(Object.fromEntries(named) as Omit<Settings, 'from'>) };
}

const NEW = 'the group does not run yet';

function formatOf(text: string): 'cbor' | 'ndjson' {
  if (text === 'cbor' || text === 'ndjson') return text;
  throw new WeirError('USAGE', `--format: expected cbor or ndjson, found "${text}"`);
}

function notBefore(text: string | undefined): Pick<Release, 'not_before'> {
  if (text === undefined) return {};
  return { not_before: `${new Date(isoTime('--not-before', text)).toISOString().slice(0, 19)}Z` };
}
