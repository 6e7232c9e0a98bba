/**
 * `weir fleet restore`: the repository as it should be, from this operator's copy.
 */
import { alone } from '../../fleet/folderlock.js';
import { completeBegun } from '../../fleet/interrupted.js';
import { settleUnread } from '../../fleet/overtaken.js';
import { type Damage, damagedFiles, damageLines, findDamage, repair } from '../../fleet/restore.js';
import { type Command, parseCommand } from '../command.js';
import {
  answer,
  FLEET_HELP,
  FLEET_OPTIONS,
  fleetBroker,
  fleetFolder,
  isSure,
  keyRing,
  print,
} from './operate.js';

export const restore: Command = {
  summary: 'write the repository anew where it is damaged or gone',
  help: `Usage: weir fleet restore [OPTIONS]

Compares every file of the repository with the copy that this folder has of what was published, and writes those anew that are damaged or
gone; on a broker that is new, all of them. All that is written is signed already. Where nothing says any more what is the latest, the copy
is published anew, which takes the keys of snapshot and timestamp: then what others have published since this folder has seen it is
lost, and appliances that have it refuse what is older. So let whoever has published last do that.

${FLEET_HELP}
Exit code: 1 when files are signed that are neither there nor in the copy, else 0.
`,
  async run(args) {
    const { values } = parseCommand(args, { options: FLEET_OPTIONS });
    const folder = fleetFolder(values);
    const broker = await fleetBroker(values);
    try {
      await broker.ensureFleetStreams();
      const damage = await alone(folder.path, async () => {
        await completeBegun(folder, broker, print, () => keyRing(values, folder));
        return findDamage(broker, folder);
      });
      const { files, wrongRoot, missing, isAnew } = damage;
      const paths = files.map(({ path }) => path);
      const found = { restored: paths, removed: wrongRoot ?? null, missing, anew: isAnew };
      for (const line of damageLines(damagedFiles(damage))) print(`fleet: ${line}`);
      const exitCode = missing.length > 0 ? 1 : 0;
      if (paths.length === 0 && wrongRoot === undefined && !isAnew) {
        answer(values, found, missing.length > 0 ? [] : ['the repository is as it should be']);
        return exitCode;
      }
      if (!(await isSure(values, questionOf(damage)))) return 1;
      await settleUnread(folder, broker, print, () => keyRing(values, folder));
      const ring = await keyRing(values, folder);
      const count = await repair(folder, broker, damage, ring, Date.now());
      answer(values, found, [`restored: ${count} files`]);
      if (isAnew) print(`fleet: look at the audit, too: ${AUDIT_HINT}`);
      return exitCode;
    } finally {
      await broker.close();
    }
  },
};

const AUDIT_HINT =
  'what the broker has lost of it "weir fleet audit --verify" finds, and "weir fleet acknowledge" signs that it is known';

function questionOf({ files, isAnew, state }: Damage): string {
  if (!isAnew) return `Write ${files.length} files anew?`;
  const { version, expires } = state.timestamp.signed;
  const what = `what this folder has seen last (timestamp ${version}, good until ${expires})`;
  return `Publish ${what}? What others have published since is lost.`;
}
