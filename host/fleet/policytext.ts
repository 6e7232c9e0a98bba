/**
 * What a group collects, as a page in Markdown that can be filed.
 */
import { printable } from '../errors.js';
import type { Approval, FilterPolicy, Policy } from './policy.js';

/** What a dead letter tells of its event. */
const LETTERS = {
  line: 'the whole line, up to 4 KiB of it',
  masked: 'its shape alone: letters as `a`, digits as `0`',
  length: 'only how long it was',
} as const;

export function policyText({ group, serial, role, filters, approvals }: Policy, nowMs: number): string {
  return `# What is collected by the group ${md(group)}

Read on ${new Date(nowMs).toISOString()} from what is signed: assignment ${serial} of the group, signed by the role ${md(role)}. Appliances run nothing else
of this fleet; \`weir fleet status --group ${group}\` tells what each of them runs, and which filters an appliance has in a config of its own.
${filters.length === 0 ? '\nNothing is collected.\n' : ''}
${filters.map((filter) => filterText(group, filter)).join('\n')}
## By whose approval

| role | signed by | of | needed | version | expires |
| --- | --- | --- | --- | --- | --- |
${approvals.map(approvalLine).join('\n')}

The root names the keys of all roles. Keys are told by the first 12 digits of their ids.
`;
}

function filterText(group: string, policy: FilterPolicy): string {
  const { filter, percent, others, streams } = policy;
  const name = md(filter);
  const config = JSON.stringify(policy.config, undefined, 2).replace(/[^\n]+/g, printable);
  return `## ${name}: ${percent} % of the group
${others === null ? '' : `\n**Staged.** A release on its way: ${md(others)}.\n`}
**Purpose.** ${md(policy.purpose)}

**Selected.** ${md(policy.selects)}

**Not selected.** ${md(policy.excludes)}

**Retention.** ${md(policy.retention)}

**Owner.** ${md(policy.owner)}

| what is told | where |
| --- | --- |
${Object.entries(streams)
  .map(([stream, meaning]) => `| ${md(meaning)} | \`weir.ev.<appliance>.${filter}.${stream}\` |`)
  .join('\n')}
| numbers of events, selected and not, by the minute | \`weir.ev.<appliance>.${filter}.ledger\` |
| of an event at which the filter is at fault: ${LETTERS[policy.dead_letter]} | \`weir.dead.<appliance>.${filter}\` |

| | |
| --- | --- |
| assigned to ${md(group)} by | ${md(policy.by)}, on ${policy.at} |
| because | ${md(policy.reason)} |
| ticket | ${policy.ticket === null ? 'none' : md(policy.ticket)} |
| not before | ${policy.not_before ?? 'at once'} |
| sources read | ${policy.sources.map(md).join(', ')} |
| format, time zone | ${policy.format}, ${md(policy.timezone)} |
| version | ${md(policy.version)} |
| SHA-256 of the module | ${policy.module_sha256} |
| SHA-256 of the bundle | ${policy.bundle_sha256}, signed by the role ${md(policy.role)} |

Its config:

\`\`\`json
${config}
\`\`\`
`;
}

function approvalLine({ role, signed, keys, threshold, version, expires }: Approval): string {
  const ids = (all: readonly string[]) => all.map((id) => md(id.slice(0, 12))).join(', ');
  return `| ${md(role)} | ${ids(signed)} | ${ids(keys)} | ${threshold} | ${version} | ${expires} |`;
}

/** Text in a line or a cell of a table. */
function md(text: string): string {
  return printable(text).replace(/[|<\\`]/g, '\\$&');
}
