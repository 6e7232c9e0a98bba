/**
 * Scenarios of `npm run chaos` in a short form: what is killed or away, and clocks. `disks.test.ts` has those of disks.
 */
import { suite } from 'uvu';
import { brokerAvailable } from '../broker.js';
import { bothKilled, brokerAway, brokerWiped, killsOfTheBroker } from './brokers.js';
import { clockJumps } from './clocks.js';
import { killsOfTheHost } from './kills.js';
import { same } from './same.js';

const seed = Number(process.env.SEED ?? Date.now() % 1e9);
console.log(`note: seed ${seed}`);

const chaos = suite('chaos');
chaos('a host that is killed at any moment tells what an undisturbed one tells', () =>
  same(killsOfTheHost(4, seed)),
);
chaos('so does one whose broker is killed', () => same(killsOfTheBroker(1, seed)));
chaos('so does one whose broker is away until the end', () => same(brokerAway(seed)));
chaos('so do both killed together', () => same(bothKilled(1, seed)));
chaos('what a broker has lost comes again, or is told by number', () => same(brokerWiped(seed)));
chaos('so does one whose clock jumps', () => same(clockJumps(3, seed)));

if (brokerAvailable()) chaos.run();
