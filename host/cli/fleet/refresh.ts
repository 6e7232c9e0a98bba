/**
 * `weir fleet refresh`: says again what is the latest, before that expires.
 */
import { delegatedRoles, loadState } from '../../fleet/state.js';
import { timeOf } from '../../fleet/checks.js';
import { onlyRead, type Operator, publish } from '../../fleet/operator.js';
import { readOnly } from '../../fleet/copy.js';
import { prune } from '../../fleet/prune.js';
import { damagedFiles, damageLines, findDamage } from '../../fleet/restore.js';
import { type Command, parseCommand } from '../command.js';
import { answer, SIGNER_HELP, SIGNER_OPTIONS, keyRing, operate, print } from './operate.js';

/** People sign what lives long: they are told while there is time. */
const WARN_MS = 30 * 86_400_000;
/** The snapshot is signed anew when less than this is left. */
const SNAPSHOT_MS = 15 * 86_400_000;

export const refresh: Command = {
  summary: 'renew what says what is the latest; fit for cron',
  help: `Usage: weir fleet refresh [OPTIONS]

Signs the timestamp anew, which is good for a week, and the snapshot when it needs that; for that it takes the keys of timestamp
and snapshot only. Let a job run it once a day: appliances run on when it stops, but say that what they have is stale. What
people have to sign, and expires within 30 days, is told, and so is every file of the repository that is not as it was
published. What nothing names any more for a day is taken out of the repository. A push from this folder that was interrupted before
anybody could read it is told, and not published.

${SIGNER_HELP}
Exit code: 1 when a file of the repository is not as it was published, else 0.

Example: weir fleet refresh --fleet /etc/weir-fleet --passphrase-file /run/credentials/fleet --server nats://127.0.0.1:4222
`,
  async run(args) {
    const { values } = parseCommand(args, { options: SIGNER_OPTIONS });
    return operate(values, async (operator) => {
      const { state, now, folder } = operator;
      const snapshotMs = timeOf(state.snapshot.signed.expires) ?? 0;
      const renews = snapshotMs - now() < SNAPSHOT_MS || state.halfRotated.length > 0;
      await publish(
        operator,
        await keyRing(values, folder),
        { renews },
        { action: 'refreshed', by: folder.operator },
      );
      for (const line of expiring(operator)) print(line);
      const load = () => loadState(operator.repository, folder.known(), readOnly(folder.copy));
      const pruned = await prune(operator.broker, load);
      if (pruned > 0) print(`fleet: took ${pruned} files out of the repository that nothing names any more`);
      const damaged = damagedFiles(await findDamage(operator.broker, onlyRead(folder)));
      for (const line of damageLines(damaged)) print(`fleet: ${line}`);
      answer(values, { renewed: renews ? ['timestamp', 'snapshot'] : ['timestamp'] }, [
        `signed anew: timestamp${renews ? ' and snapshot' : ''}`,
      ]);
      return damaged.length > 0 ? 1 : 0;
    });
  },
};

/** What only people can renew. */
function expiring({ state, now }: Operator): string[] {
  const targets = state.targets.get('targets')?.signed;
  const roles = ['root', 'targets', ...(targets ? delegatedRoles(targets) : [])];
  return roles.flatMap((role) => {
    const expires = role === 'root' ? state.root.signed.expires : state.targets.get(role)?.signed.expires;
    const leftMs = (timeOf(expires) ?? Number.POSITIVE_INFINITY) - now();
    return leftMs < WARN_MS
      ? [`${role}: expires at ${expires}; "weir fleet keys renew ${role}" signs it anew`]
      : [];
  });
}
