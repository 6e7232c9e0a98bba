/**
 * A connection that is cut at any byte, again and again.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerAvailable } from '../broker.js';
import { cutsOfTheConnection } from './cuts.js';

const CUTS = 12;
const seed = Number(process.env.SEED ?? Date.now() % 1e9);
console.log(`note: seed ${seed}`);

test('messages and acknowledgements that are cut off in the middle are stored once, and in order', async () => {
  const { differences, messages } = await cutsOfTheConnection(CUTS, seed);
  assert.equal(differences, []);
  assert.ok(messages > CUTS, 'messages went between the cuts');
});

if (brokerAvailable()) test.run();
