/**
 * Resident memory of the host, as a process of its own, while it takes 1 GB from a file to a broker.
 */
import { spawn } from 'node:child_process';
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { loadFilter } from '../../host/filter/library.js';
import { CPU_SHARE_MAX } from '../../host/limits.js';
import { startTestBroker } from '../broker.js';
import { benchFile } from './data.js';
import type { Row } from './run.js';
import { SELECT } from './select.js';

const WEIR = fileURLToPath(new URL('../../../bin/weir', import.meta.url));
const INPUT_BYTES = 1e9;
const SAMPLE_MS = 50;

export async function memoryJob(): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-memory-'));
  const broker = await startTestBroker();
  const input = join(folder, 'input.ndjson');
  const part = benchFile('ndjson');
  for (let bytes = 0; bytes < INPUT_BYTES; bytes += statSync(part).size) {
    await pipeline(createReadStream(part), createWriteStream(input, { flags: 'a' }));
  }
  const config = {
    data: 'data',
    appliance: 'memory',
    limits: { cpu: CPU_SHARE_MAX },
    nats: { servers: [broker.url] },
    sources: { input: { file: 'input.ndjson' } },
    filters: { 'json-select': { from: ['input'], config: { ...SELECT, count_by: ['program', 'host'] } } },
  };
  writeFileSync(join(folder, 'weir.json'), JSON.stringify(config));
  const samples = await sampleResidentMiB(folder);
  await broker.stop();
  rmSync(folder, { recursive: true });
  const later = samples.slice(Math.floor(samples.length / 2));
  const filterMiB = loadFilter('json-select').manifest.memoryBytes / 2 ** 20;
  return {
    job: `resident memory over ${(INPUT_BYTES / 1e9).toFixed(0)} GB, select and count`,
    weir: `${Math.max(...samples).toFixed(0)} MiB at most`,
    ratios: `second half ${Math.min(...later).toFixed(0)} to ${Math.max(...later).toFixed(0)} MiB; the filter ${filterMiB.toFixed(2)} MiB as its manifest says`,
    target: 'flat, under 110 MiB',
  };
}

async function sampleResidentMiB(folder: string): Promise<number[]> {
  const child = spawn(WEIR, ['run', '--until-eof'], {
    cwd: folder,
    stdio: 'ignore',
  });
  const samples: number[] = [];
  const timer = setInterval(() => {
    try {
      const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      if (kilobytes !== undefined) samples.push(Number(kilobytes) / 1024);
    } catch {
      // The process has just ended.
    }
  }, SAMPLE_MS);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(timer);
  if (code !== 0 || samples.length === 0) throw new Error(`memory: the host ended with ${code}`);
  return samples;
}
