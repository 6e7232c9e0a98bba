/**
 * A cluster and a leaf node: the scenarios of `npm run chaos` in a short form.
 */
import { suite } from 'uvu';
import { brokerAvailable } from '../broker.js';
import { faultsOfALeaf } from './leaf.js';
import { DEATHS, faultsOfNodes } from './nodes.js';
import { same } from './same.js';

const seed = Number(process.env.SEED ?? Date.now() % 1e9);
console.log(`note: seed ${seed}`);

const cluster = suite('cluster');
cluster('nodes of a cluster that die, the leader too, cost time and nothing else', () =>
  same(faultsOfNodes(3, seed, DEATHS)),
);
cluster('so does a leaf node that dies, or whose link is cut', () =>
  same(faultsOfALeaf(2, seed, ['kill of the leaf node', 'cut of the link'])),
);

if (brokerAvailable()) cluster.run();
