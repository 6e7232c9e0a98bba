/**
 * Walks through whole directory trees, a little at a time: nobody else waits longer than for one folder.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { BytePath } from './paths.js';
import { childrenOf, type Snapshot } from './snapshot.js';

const SLICE_MS = 10;

export interface Walk {
  readonly snapshot: Snapshot;
  readonly watchDirectory: (path: BytePath) => boolean;
  readonly isClosed: () => boolean;
}

/** Learns a tree as it is, without telling, and watches its directories. */
export async function learnTree(root: BytePath, { snapshot, watchDirectory, isClosed }: Walk): Promise<void> {
  const found = [root];
  const breatheAtTimes = createBreather();
  for (const path of found) {
    if (isClosed()) return;
    const entry = snapshot.learn(path);
    if (entry && !snapshot.has(path)) return;
    if (entry?.type === 'directory') {
      watchDirectory(path);
      for (const child of childrenOf(path)) found.push(child);
    }
    await breatheAtTimes();
  }
}

/** Paths of which there is something to tell, in all trees. */
export async function findDifferent(
  roots: readonly BytePath[],
  { snapshot, watchDirectory, isClosed }: Walk,
): Promise<BytePath[]> {
  const different: BytePath[] = [];
  const breatheAtTimes = createBreather();
  for (const path of roots.flatMap((root) => [root, ...snapshot.below(root)])) {
    if (isClosed()) break;
    if (snapshot.differs(path)) different.push(path);
    if (snapshot.get(path)?.type === 'directory') {
      watchDirectory(path);
      // What does not fit into a full snapshot would be news each time.
      for (const child of snapshot.isFull() ? [] : childrenOf(path)) {
        if (!snapshot.has(child)) different.push(child);
      }
    }
    await breatheAtTimes();
  }
  return different;
}

/** Lets others have their turn when this one has lasted long enough. */
function createBreather(): () => Promise<void> | undefined {
  let endMs = performance.now() + SLICE_MS;
  return () => {
    if (performance.now() < endMs) return undefined;
    return breathe().then(() => {
      endMs = performance.now() + SLICE_MS;
    });
  };
}
