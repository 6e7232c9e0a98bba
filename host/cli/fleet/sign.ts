/**
 * `weir fleet sign` and `weir fleet publish`: a change that others have to sign, carried as a file.
 */
import { printable, WeirError } from '../../errors.js';
import { dutiesOf } from '../../fleet/change.js';
import { keysIn, knownIn } from '../../fleet/folder.js';
import { keyIdOf } from '../../fleet/keys.js';
import { type Proposal, readProposal, signProposal } from '../../fleet/proposal.js';
import { publishProposal } from '../../fleet/propose.js';
import { shortId, wordsOf } from '../../fleet/words.js';
import { type Command, parseCommand } from '../command.js';
import { dutyLines, signaturesOf, writeProposal } from './carryout.js';
import {
  answer,
  FLEET_HELP,
  FLEET_OPTIONS,
  fleetFolder,
  fleetPath,
  isSure,
  keyRing,
  operate,
  readPassphrase,
} from './operate.js';

const OFFLINE_OPTIONS = {
  fleet: { type: 'string' },
  'passphrase-file': { type: 'string' },
  yes: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

export const sign: Command = {
  summary: 'sign what somebody else has proposed; needs no broker',
  help: `Usage: weir fleet sign FILE [OPTIONS]

Shows what a proposal ("--propose" of a command) would change, and adds the signatures of the keys in this folder to FILE. Everything
that is shown was verified from the root of trust on, and is what is signed; nothing else is in the file. It needs no broker and no
other machine: a folder with root.json and keys ("weir fleet keys create NAME") is enough. That the proposal is made on the latest is
seen when it is published, and it is refused where it is not.

  --fleet FOLDER    folder with root.json and keys (default: $WEIR_FLEET, or "fleet" in this folder)
  --passphrase-file FILE  the passphrase of the keys (default: $WEIR_PASSPHRASE, or it is asked for)
  --yes             do not ask
  --json            print JSON
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, { allowPositionals: true, options: OFFLINE_OPTIONS });
    const path = oneFile(positionals);
    const folder = keysIn(fleetPath(values));
    const found = await readProposal(path, knownIn(fleetPath(values)));
    const words = show(found);
    needKeyHere(
      path,
      found,
      folder.keys().map((file) => keyIdOf(file.public)),
    );
    if (!(await isSure(values, `Sign this?`))) return 1;
    const ring = folder.ring(await readPassphrase(values, 'passphrase of the keys'));
    const { proposal, names } = signProposal(found, ring);
    writeProposal(path, proposal);
    const duties = dutiesOf(proposal.base, proposal.change);
    answer(values, { proposal: path, signed_with: names, changes: words, ...signaturesOf(duties) }, [
      `signed with ${names.join(', ')}: ${path}`,
      ...dutyLines(duties, path),
    ]);
    return 0;
  },
};

export const publishCommand: Command = {
  summary: 'publish what was proposed, with the signatures it needs',
  help: `Usage: weir fleet publish FILE [OPTIONS]

Publishes a proposal that enough keys have signed. The keys of snapshot and timestamp have to be here. It is refused when what it was
made on is not the latest any more: then it has to be proposed again.

${FLEET_HELP}`,
  async run(args) {
    const { values, positionals } = parseCommand(args, { allowPositionals: true, options: FLEET_OPTIONS });
    const path = oneFile(positionals);
    // What is no proposal is refused before anybody is asked for anything.
    await readProposal(path, fleetFolder(values).known());
    return operate(values, async (operator) => {
      const proposal = await readProposal(path, operator.folder.known());
      const words = show(proposal);
      if (!(await isSure(values, 'Publish this?'))) return 1;
      await publishProposal(operator, await keyRing(values, operator.folder), proposal);
      const { action } = proposal.act;
      answer(values, { published: path, action, changes: words }, [`published: ${action}`]);
      return 0;
    });
  },
};

function oneFile(positionals: readonly string[]): string {
  const [path, ...more] = positionals;
  if (path !== undefined && more.length === 0) return path;
  throw new WeirError('USAGE', `expected one FILE, found ${positionals.length}`);
}

/** To whoever is asked: what it changes, and what the audit will say. Answers the lines. */
function show({ base, change, before, act }: Proposal): string[] {
  const said = Object.entries(act).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  const words = [...wordsOf(base, change, before), `the audit will say: ${said.join(', ')}`];
  for (const line of words) process.stderr.write(`  ${printable(line)}\n`);
  return words;
}

function needKeyHere(path: string, { base, change }: Proposal, here: readonly string[]): void {
  const wanted = dutiesOf(base, change).flatMap(({ ids }) => ids);
  if (wanted.some((id) => here.includes(id))) return;
  const problem = `expected a key here that may sign it (${[...new Set(wanted)].map(shortId).join(', ')})`;
  throw new WeirError('KEYS_REFUSED', `${path}: ${problem}, found none`);
}
