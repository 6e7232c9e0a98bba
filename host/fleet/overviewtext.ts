/**
 * An overview of a fleet for people. What appliances say is anybody's text.
 */
import { printable, REMEDIES } from '../errors.js';
import { othersText } from './assignment.js';
import { damageLines } from './restore.js';
import { type ApplianceView, type FilterView, type GroupView, isUnheard, type Overview } from './overview.js';

const HEADINGS = ['APPLIANCE', 'AGE', 'FILTER', 'WHAT', 'RUNS', 'WHY'];

export function overviewLines({
  groups,
  unreadable,
  others,
  repository,
  unfinished,
  empty,
}: Overview): string[] {
  const lines = groups.flatMap(groupLines);
  for (const { appliance, problem } of unreadable)
    lines.push(`${appliance}: its status cannot be read: ${problem}`);
  lines.push(...damageLines(repository).map((line) => `repository: ${line}`));
  lines.push(...unfinished.map(unfinishedText));
  if (empty.length > 0) lines.push(`without filters and appliances: ${empty.join(', ')}`);
  if (others.length > 0) lines.push(`in no fleet: ${others.join(', ')}`);
  return lines.map(printable);
}

function groupLines(view: GroupView): string[] {
  const { group, serial, problem, releases, appliances } = view;
  const assigned = serial === 0 ? `group ${group}: nothing is assigned` : `group ${group}, serial ${serial}`;
  const lines = problem === null ? [assigned] : [unreadableText(group, problem)];
  for (const { filter, version, percent, before, not_before, counts, run_by_nobody } of releases) {
    const from = not_before === null ? '' : ` from ${not_before} on`;
    const older = othersText(percent, before) ?? (before === null ? '' : `before it ${before}`);
    lines.push(`  ${filter}: ${version} for ${percent} %${from}${older === '' ? '' : `, ${older}`}`);
    const { release, before: beforeIt, none, lags, refused, silent } = counts;
    const asWanted = `${release} run the release, ${beforeIt} the one before, ${none} neither as wanted`;
    lines.push(`    ${asWanted}; ${lags} lag, ${refused} refused, ${silent} silent`);
    if (run_by_nobody && appliances.length > 0)
      lines.push('    it is for the whole group, and nobody runs it');
  }
  if (appliances.length === 0) return [...lines, `  ${unheardText(view)}`, ''];
  const rows = appliances.flatMap((appliance) => {
    const found = appliance.filters.map((filter) => cellsOf(appliance, filter));
    if (found.length === 0) found.push([appliance.appliance, ageOf(appliance), '-', '-', '-', '']);
    return appliance.stale === null ? found : [...found, staleCells(appliance, appliance.stale)];
  });
  return [...lines, ...table([HEADINGS, ...rows]), ''];
}

function unheardText(view: GroupView): string {
  const nobody = 'no appliance has told its status';
  return isUnheard(view) ? `${nobody}, so that nobody knows whether what is assigned runs` : nobody;
}

function unfinishedText(role: string): string {
  return `keys: ${role}: has to be signed anew, a change of keys was interrupted`;
}

function unreadableText(group: string, problem: string): string {
  return `group ${group}: what is assigned cannot be read: ${problem}; ${REMEDIES.ASSIGNMENT_UNREADABLE}`;
}

function cellsOf(appliance: ApplianceView, view: FilterView): string[] {
  const { filter, standing, running } = view;
  return [appliance.appliance, ageOf(appliance), filter, standing, running ?? '-', whyOf(view)];
}

function staleCells(appliance: ApplianceView, stale: string): string[] {
  return [appliance.appliance, ageOf(appliance), '-', 'stale', '-', stale];
}

/** What is to be said beside what runs. */
function whyOf({ standing, wanted, state, why }: FilterView): string {
  const wants = standing === 'lags' || standing === 'silent' ? `wants ${wanted ?? 'none of it'}` : '';
  return [wants, why ?? '', state === 'runs' || state === null ? '' : state].filter(Boolean).join('; ');
}

function ageOf({ age_ms: ageMs }: ApplianceView): string {
  const seconds = Math.round(ageMs / 1_000);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)}h` : `${Math.round(seconds / 86_400)}d`;
}

/** Columns side by side; the last one as long as it is. */
function table(rows: readonly (readonly string[])[]): string[] {
  const shown = rows.map((row) => row.map(printable));
  const widths = HEADINGS.map((_, at) => Math.max(...shown.map((row) => (row[at] ?? '').length)));
  return shown.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd());
}

/** A line for each filter of an appliance and each appliance that is otherwise than before, by what it is of. */
export function changedLines(
  before: ReadonlyMap<string, string>,
  now: ReadonlyMap<string, string>,
): string[] {
  return [...now].flatMap(([key, line]) => (before.get(key) === line ? [] : [line]));
}

/** A line for each thing that is told, without what is always another one. */
export function standingLines({ groups, unreadable, repository, unfinished }: Overview): Map<string, string> {
  const lines = new Map<string, string>();
  for (const view of groups) {
    const { group, problem, releases, appliances } = view;
    if (isUnheard(view)) lines.set(`unheard ${group}`, `${group}: ${unheardText(view)}`);
    if (problem !== null) lines.set(`group ${group}`, unreadableText(group, problem));
    for (const { filter, version, percent } of releases)
      lines.set(`${group}/${filter}`, `${group}: ${filter}: ${version} for ${percent} %`);
    for (const { appliance, filters, stale } of appliances) {
      if (stale !== null) lines.set(`stale ${appliance}`, `${appliance}: stale: ${stale}`);
      for (const view of filters) {
        const said = [`${appliance}: ${view.filter}: ${view.standing}`, view.running ?? '-', whyOf(view)];
        lines.set(`${appliance}/${view.filter}`, said.filter(Boolean).join(' '));
      }
    }
  }
  for (const { appliance, problem } of unreadable)
    lines.set(`unreadable ${appliance}`, `${appliance}: its status cannot be read: ${problem}`);
  for (const role of unfinished) lines.set(`unfinished ${role}`, unfinishedText(role));
  for (const line of damageLines(repository)) lines.set(`repository ${line}`, `repository: ${line}`);
  return new Map([...lines].map(([key, line]) => [key, printable(line)]));
}
