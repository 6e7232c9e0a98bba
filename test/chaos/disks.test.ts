/**
 * Scenarios of `npm run chaos` in a short form: a disk that is damaged, full, or read-only.
 */
import { suite } from 'uvu';
import { brokerAvailable } from '../broker.js';
import { canMount, damagedBytes, troubledDisk } from './disks.js';
import { same } from './same.js';

const seed = Number(process.env.SEED ?? Date.now() % 1e9);
console.log(`note: seed ${seed}`);

const disks = suite('chaos of disks');
disks('what a damaged byte costs is told', () => same(damagedBytes(1, seed)));
if (await canMount()) {
  disks('a full disk costs time', () => same(troubledDisk('full', 1, seed)));
  disks('so does one that is read-only now and then', () => same(troubledDisk('read-only', 2, seed)));
}

if (brokerAvailable()) disks.run();
