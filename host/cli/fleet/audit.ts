/**
 * `weir fleet audit`: what operators and appliances have done, and the proof that nothing of it is missing.
 */
import { WeirError } from '../../errors.js';
import { readAudit, readProved } from '../../fleet/auditread.js';
import { actText, auditJson, auditText, proofLines, timeOfLine } from '../../fleet/audittext.js';
import { fullLines, fullStreams } from '../../fleet/fullstreams.js';
import { needAppliance } from '../../fleet/members.js';
import { AUDIT_STREAM, FLEET_STREAM, NAME_PATTERN } from '../../wire.js';
import { type Command, parseCommand, timeOrAge } from '../command.js';
import { answer, observe, READER_HELP, READER_OPTIONS } from './operate.js';

export const audit: Command = {
  summary: 'tell what was done, by whom and why, and prove that nothing is missing',
  help: `Usage: weir fleet audit [OPTIONS]

Prints what operators and appliances have written in the audit, by time: who, the number of the entry, what, the version before and after, and
why. Nothing of the streams WEIR_AUDIT (of appliances) and WEIR_FLEET (of operators) can be deleted.

  --appliance ID    entries of this appliance only
  --since TIME      what the broker has from this time on, or an age such as 24h
  --verify          prove it: each chain begins with entry 1, each entry names the digest of the one before, the last one that an appliance's status
                    names is there, operators' entries are signed by a key that a root of the fleet has named, and each release that
                    is assigned has its entry
${READER_HELP}
A change of this folder that is in force without its entry, because the audit took nothing, is told, and in "owed" of --json.

Exit code: 1 when --verify has found something that no operator has acknowledged ("weir fleet acknowledge"), or an entry is owed; and when the appliance has
neither a status nor an entry; else 0.

Example: weir fleet audit --since 24h --verify
`,
  async run(args) {
    const { values } = parseCommand(args, {
      options: {
        ...READER_OPTIONS,
        appliance: { type: 'string' },
        since: { type: 'string' },
        verify: { type: 'boolean', default: false },
      },
    });
    const { appliance } = values;
    if (appliance !== undefined && !NAME_PATTERN.test(appliance))
      throw new WeirError('USAGE', `--appliance: expected a name, found "${appliance}"`);
    const sinceMs = values.since === undefined ? undefined : timeOrAge('--since', values.since, Date.now());
    return observe(values, async (operator) => {
      if (appliance !== undefined) await needAppliance(operator.broker, appliance);
      const { lines, reports } = values.verify
        ? await readProved(operator, appliance, sinceMs ?? 0)
        : { lines: await readAudit(operator, appliance, sinceMs), reports: undefined };
      lines.sort((one, other) => timeOfLine(one) - timeOfLine(other));
      const owed = operator.folder.owed().map(actText);
      const full = reports ? await fullStreams(operator.broker, [AUDIT_STREAM, FLEET_STREAM]) : [];
      const proved = reports ? { chains: reports, full } : {};
      answer(values, { schema: 1, entries: lines.map(auditJson), ...proved, owed }, [
        ...lines.map(auditText),
        ...fullLines(full),
        ...(reports ? proofLines(reports) : []),
      ]);
      return reports && (owed.length > 0 || reports.some(({ wrong }) => wrong > 0)) ? 1 : 0;
    });
  },
};
