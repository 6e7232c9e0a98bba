/**
 * `weir fleet keys delegate` and `undelegate`: roles that sign a part of the paths.
 */
import { WeirError } from '../../errors.js';
import { readPublicKey } from '../../fleet/keys.js';
import { delegated, roleOf, undelegated } from '../../fleet/roles.js';
import { type Command, parseCommand } from '../command.js';
import { carryOutKeys, KEYS_HELP, KEYS_OPTIONS, thresholdOf } from './keyschange.js';
import { isSure, operate } from './operate.js';

export const delegate: Command = {
  summary: 'let other keys sign a part of the paths, and them alone',
  help: `Usage: weir fleet keys delegate NAME --paths PATTERN... --key PUBFILE... [OPTIONS]

Makes a role that alone signs for some paths: a team for its filters, or two people for what a group runs. Filters lie at filters/NAME-..., and
what a group runs at assignments/GROUP.json; a * stands for anything but a slash. What is published under these paths goes over to the role, as it
is, and its keys have to sign that: where they are not here, --propose writes it for them.

  --paths PATTERN   a path or pattern; may be repeated
  --key PUBFILE     the public half of a key that may sign; may be repeated
  --threshold N     how many of them have to (default: 1)
${KEYS_HELP}
Example: weir fleet keys delegate net --paths "filters/net-*" --key net.pub.json
Example: weir fleet keys delegate edge --paths assignments/edge.json --key ann.pub.json --key bob.pub.json --threshold 2
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        ...KEYS_OPTIONS,
        paths: { type: 'string', multiple: true, default: [] },
        key: { type: 'string', multiple: true, default: [] },
        threshold: { type: 'string' },
      },
    });
    const name = oneName(positionals);
    if (values.paths.length === 0 || values.key.length === 0)
      throw new WeirError('USAGE', 'expected at least one --paths and one --key');
    const keys = values.key.map(readPublicKey);
    const delegation = { name, paths: values.paths, keys, threshold: thresholdOf(values.threshold) ?? 1 };
    return operate(values, async (operator) => {
      const change = await delegated(operator, delegation);
      const question = `Let ${name} alone sign ${values.paths.join(', ')}?`;
      if (!(await isSure(values, question))) return 1;
      await carryOutKeys(operator, values, name, 'delegated', change, undefined, delegation);
      return 0;
    });
  },
};

export const undelegate: Command = {
  summary: 'take such a role away',
  help: `Usage: weir fleet keys undelegate NAME [OPTIONS]

Takes a role away; its paths, and what is published under them, as it is, go back to targets, or to a role that has them, too.

${KEYS_HELP}`,
  async run(args) {
    const { values, positionals } = parseCommand(args, { allowPositionals: true, options: KEYS_OPTIONS });
    const name = oneName(positionals);
    return operate(values, async (operator) => {
      const change = await undelegated(operator, name);
      const before = roleOf(operator.state, name);
      const listed = Object.keys(operator.state.targets.get(name)?.signed.targets ?? {});
      const question = `Take ${name} away, and sign its ${listed.length} targets (${listed.join(', ')}) here?`;
      if (!(await isSure(values, question))) return 1;
      await carryOutKeys(operator, values, name, 'undelegated', change, before, undefined);
      return 0;
    });
  },
};

function oneName(positionals: readonly string[]): string {
  const [name, ...more] = positionals;
  if (name !== undefined && more.length === 0) return name;
  throw new WeirError('USAGE', `expected one NAME, found ${positionals.length}`);
}
