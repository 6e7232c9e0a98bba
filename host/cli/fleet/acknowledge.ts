/**
 * `weir fleet acknowledge`: an operator signs that he knows what is wrong with the audit.
 */
import { WeirError } from '../../errors.js';
import { acknowledge as sign } from '../../fleet/acknowledge.js';
import { readProved } from '../../fleet/auditread.js';
import { proofLines } from '../../fleet/audittext.js';
import { type Command, parseCommand } from '../command.js';
import { motiveOf } from './motive.js';
import { answer, FLEET_HELP, FLEET_OPTIONS, isSure, keyRing, operate, print } from './operate.js';

export const acknowledge: Command = {
  summary: 'sign that what is wrong with the audit is known',
  help: `Usage: weir fleet acknowledge --reason TEXT [OPTIONS]

Shows what "weir fleet audit --verify" has found, and signs in the audit that it is known and why: that the broker has lost its disk, say, and
with it entries that are nowhere else. From then on --verify counts these findings apart; another one, also in the same place, is wrong as
before. Look at what there is first: what has gone without a reason that you know may have been taken away. It takes a key of targets or root.

  --reason TEXT     why, for the audit
  --ticket TEXT     where that was decided
${FLEET_HELP}
Example: weir fleet acknowledge --reason "the disk of the broker was lost on May 2"
`,
  async run(args) {
    const { values } = parseCommand(args, {
      options: { ...FLEET_OPTIONS, reason: { type: 'string' }, ticket: { type: 'string' } },
    });
    const { reason, ticket } = values;
    if (reason === undefined) throw new WeirError('USAGE', 'expected --reason');
    return operate(values, async (operator) => {
      const motive = motiveOf(operator.folder, reason, ticket);
      const { reports, marks } = await readProved(operator, undefined, 0);
      if (marks.length === 0) {
        answer(values, { acknowledged: [] }, ['nothing is wrong with the audit']);
        return 0;
      }
      for (const line of proofLines(reports)) print(line);
      if (!(await isSure(values, `Sign that these ${marks.length} are known?`))) return 1;
      await sign(operator, await keyRing(values, operator.folder), marks, motive);
      answer(values, { acknowledged: marks }, [`acknowledged: ${marks.length} findings`]);
      return 0;
    });
  },
};
