/**
 * From another assignment of a group to what is published of it, and what the audit says.
 */
import type { Assignment } from '../../fleet/assignment.js';
import type { Act } from '../../fleet/audit.js';
import type { Change } from '../../fleet/edition.js';
import { draftChange, filesOf, type Operator } from '../../fleet/operator.js';
import type { Motive } from '../../fleet/rollout.js';

/** The change, not signed yet, with its entry. */
export async function changeOf(
  operator: Operator,
  name: string,
  before: Assignment | undefined,
  next: Assignment,
  action: string,
  motive: Motive,
): Promise<{ readonly change: Change; readonly act: Act }> {
  const targets = await draftChange(operator, await filesOf(operator, next));
  const versionOf = (assignment: Assignment | undefined) =>
    assignment?.filters[name]?.release.version ?? null;
  const { percent } = next.filters[name]?.release ?? { percent: 0 };
  const act = {
    action,
    group: next.group,
    filter: name,
    before: versionOf(before),
    after: versionOf(next),
    percent,
    ...motive,
  };
  return { change: { targets }, act };
}
