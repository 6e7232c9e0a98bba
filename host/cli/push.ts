/**
 * `weir push`: filters to a group of appliances.
 */
import { WeirError } from '../errors.js';
import { checkFilter, hasFailed } from '../author/check.js';
import { authoredFilters, projectIn } from '../author/project.js';
import type { Assignment, Release } from '../fleet/assignment.js';
import { audienceOf } from '../fleet/audience.js';
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
import { fromText, lossIn, type Motive, newRollout, ofFilter, othersOf, pushed } from '../fleet/rollout.js';
import { selfTest } from '../fleet/selftest.js';
import { startFilter } from '../filter/instance.js';
import { instanceZones } from '../timezone.js';
import { readStatuses } from '../fleet/statuses.js';
import type { Command } from './command.js';
import { carryOut, PROPOSE_HELP } from './fleet/carryout.js';
import { FLEET_HELP, isSure, observe, operate, print, readPassphrase } from './fleet/operate.js';
import { motiveOf } from './fleet/motive.js';
import { type PushArgs, pushArgs, type Settings } from './pushargs.js';

export const push: Command = {
  summary: 'push filters to a group of appliances, signed',
  help: `Usage: weir push NAME... --group GROUP --from SOURCE --reason TEXT [OPTIONS]

Builds filters of this project, tests them as "weir test" does, bundles and signs them, publishes that, and assigns them to a
group of appliances. Nothing is published when a test fails. Appliances verify the signatures, try each filter's samples, and swap it in
while events flow; at its first faults the version before takes over again by itself.

With --percent only a part of the group runs it, chosen by a hash; "weir fleet promote" goes on, "weir fleet rollback" back. The others run what
was for the whole group before, or none where nothing was, which is told.

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
    const asked = pushArgs(args);
    const { values, names, group, percent, reason, ticket } = asked;
    await checkAssigned(asked);
    const bundles = await bundlesOf(names);
    return operate(values, async (operator) => {
      const motive = motiveOf(operator.folder, reason, ticket);
      const before = await assignedBefore(operator, asked);
      const { next, releases } = composed(asked, before, bundles, motive);
      for (const [at, { bundle }] of bundles.entries()) checkStart(bundle, releases[at] as Release);
      const versions = releases.map(({ version }) => version).join(', ');
      const instead = asked.isAnew ? ', and nothing else' : '';
      const instances = names.map((name) => instanceOf(asked, name));
      for (const line of instances.flatMap((instance) => lossIn(before, next, instance))) print(line);
      const others = instances.map((instance) => othersOf(next, instance));
      const from = fromText(releases[0]);
      const question = `Push ${versions} to ${percent} % of ${group}${from}${instead}${others.join('')}?`;
      if (!(await isSure(values, question))) return 1;
      const files = new Map(bundles.map(({ label, bytes }) => [bundlePath(label), bytes]));
      const targets = await draftChange(operator, await filesOf(operator, next, files));
      const act = {
        action: 'pushed',
        group,
        filter: instances.join(', '),
        before: asked.isAnew ? 'what could not be read' : versionsIn(before, instances),
        after: versions,
        percent,
        ...motive,
      };
      await carryOut(values, operator, { targets }, act, {
        value: {
          group,
          serial: next.serial,
          percent,
          releases,
          before: instances.map((one) => ofFilter(next, one)?.before?.version ?? null),
        },
        lines: releases.map(
          ({ version }, at) => `pushed ${version} to ${percent} % of ${group}${from}${others[at]}`,
        ),
      });
      return 0;
    });
  },
};

/** Looks at the fleet before anything is built: that it is there, that the sources are known, and whom the push is for, which is told. */
async function checkAssigned(asked: PushArgs): Promise<void> {
  const { values, names, group } = asked;
  if (values['passphrase-file'] !== undefined) await readPassphrase(values, 'passphrase of the keys');
  const check = async (operator: Operator) => {
    const before = await assignedBefore(operator, asked, untold);
    const sources = names.flatMap((name) => settingsOf(asked, instanceOf(asked, name), before).from);
    const { warnings, failure } = audienceOf(group, await readStatuses(operator.broker));
    for (const line of warnings(sources)) print(line);
    for (const name of names) {
      const { release, before: earlier } = ofFilter(before, instanceOf(asked, name)) ?? {};
      const failed = release?.percent === 100 ? failure(instanceOf(asked, name), release) : undefined;
      if (failed === undefined) continue;
      const instead = earlier
        ? `, and after a restart such an appliance runs none; "weir fleet rollback" first keeps ${earlier.version}`
        : '';
      print(`${failed}; it is what a push leaves to whoever does not run the new one${instead}`);
    }
  };
  await observe(values, check, untold);
}

/** What is said of the repository is said when something is signed. */
const untold = () => {};

/** What is assigned; with --anew nothing, where that cannot be read. Throws ASSIGNMENT_UNREADABLE, or USAGE where it can. */
async function assignedBefore(
  operator: Operator,
  { group, isAnew }: PushArgs,
  tell = print,
): Promise<Assignment | undefined> {
  if (!isAnew) return readAssignment(operator, group);
  const found = await lookAtAssignment(operator, group);
  if (typeof found === 'string') {
    tell(`what is assigned to ${group} cannot be read, and is replaced: ${found}`);
    return emptyAssignment(operator, group);
  }
  const problem = `--anew: expected what is assigned to ${group} to be unreadable, found it whole`;
  throw new WeirError('USAGE', problem);
}

function instanceOf({ as }: PushArgs, name: string): string {
  return as ?? name;
}

/** The assignment with a release of each bundle; however many are pushed, it is one change. */
function composed(
  asked: PushArgs,
  before: Assignment | undefined,
  bundles: readonly Built[],
  motive: Motive,
): { readonly next: Assignment; readonly releases: readonly Release[] } {
  const { group, percent, notBefore } = asked;
  let assignment = before;
  const releases: Release[] = [];
  for (const { name, label } of bundles) {
    const instance = instanceOf(asked, name);
    const release = {
      ...settingsOf(asked, instance, assignment),
      ...motive,
      percent,
      ...notBefore,
      version: label,
      bundle: bundlePath(label),
      rollout: newRollout(),
    };
    assignment = pushed(assignment, group, instance, release);
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

/** What is named goes before what it was. Throws USAGE where nothing says from where a filter reads. */
function settingsOf({ settings }: PushArgs, instance: string, assignment: Assignment | undefined): Settings {
  const { from, timezone, format, config } = ofFilter(assignment, instance)?.release ?? {};
  const before = { from, timezone, format, config, ...settings };
  if (!before.from)
    throw new WeirError(
      'USAGE',
      `--from: expected a source for ${instance}, which the group does not run yet`,
    );
  return Object.fromEntries(
    Object.entries(before).filter(([, value]) => value !== undefined),
  ) as unknown as Settings;
}
