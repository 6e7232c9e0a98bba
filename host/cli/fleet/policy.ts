/**
 * `weir fleet policy`: the page that an auditor asks for.
 */
import { WeirError } from '../../errors.js';
import { policyOf } from '../../fleet/policy.js';
import { policyText } from '../../fleet/policytext.js';
import { type Command, parseCommand } from '../command.js';
import { observe, READER_HELP, READER_OPTIONS } from './operate.js';

export const policy: Command = {
  summary: 'print what a group collects, why, by whose approval, and what not',
  help: `Usage: weir fleet policy --group GROUP [OPTIONS]

Prints a page in Markdown, to be filed: of each filter of the group its purpose, what it selects and what not, its streams, how long records may be
kept, who answers for it, what is told of events at which it is at fault, its sources and config, and who has assigned it when, why and under
which ticket; then whose signatures all that has. It is read from what is signed, which is what appliances run. Values of "redact_key" in a config
are left out.

  --group GROUP     whose it is
${READER_HELP}
Example: weir fleet policy --group edge > edge.md
`,
  async run(args) {
    const { values } = parseCommand(args, { options: { ...READER_OPTIONS, group: { type: 'string' } } });
    const { group } = values;
    if (group === undefined) throw new WeirError('USAGE', 'expected --group');
    return observe(values, async (operator) => {
      const found = await policyOf(operator, group);
      const nowMs = operator.now();
      process.stdout.write(
        values.json ? `${JSON.stringify({ schema: 1, ts: nowMs, ...found })}\n` : policyText(found, nowMs),
      );
      return 0;
    });
  },
};
