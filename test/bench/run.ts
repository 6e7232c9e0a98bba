/**
 * `npm run bench`: every job in one process beside the same job in plain Node, with equal results checked.
 *
 * `npm run bench -- NAME...` runs some jobs only. Speeds are of this machine at this time: compare the ratios.
 */
import { arch, cpus } from 'node:os';
import { backlogJob } from './backlog.js';
import { SEED } from './data.js';
import { fileJob } from './filejob.js';
import { FILE_JOBS } from './jobs.js';
import { memoryJob } from './memory.js';
import { neighbourJob } from './neighbour.js';
import { publishJob } from './publish.js';
import { pushJob, rolloutJob } from './push.js';
import { swapJob } from './swap.js';

export interface Row {
  readonly job: string;
  readonly weir: string;
  readonly ratios: string;
  readonly target: string;
}

const JOBS: Readonly<Record<string, () => Promise<Row>>> = {
  ...Object.fromEntries(Object.entries(FILE_JOBS).map(([name, job]) => [name, () => fileJob(job)])),
  publish: publishJob,
  backlog: backlogJob,
  swap: swapJob,
  neighbour: neighbourJob,
  push: pushJob,
  rollout: rolloutJob,
  memory: memoryJob,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(JOBS, name));
if (unknown.length > 0) {
  process.stderr.write(
    `bench: expected some of ${Object.keys(JOBS).join(', ')}, found ${unknown.join(', ')}\n`,
  );
  process.exit(2);
}
const processor = cpus()[0]?.model ?? arch();
process.stdout.write(`${processor}, ${cpus().length} cores, Node ${process.versions.node}, seed ${SEED}\n\n`);
process.stdout.write('| job | weir | against plain Node | target |\n| --- | --- | --- | --- |\n');
for (const [name, job] of Object.entries(JOBS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const row = await job();
  process.stdout.write(`| ${row.job} | ${row.weir} | ${row.ratios} | ${row.target} |\n`);
}
