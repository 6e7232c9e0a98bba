/**
 * One key in n, by its hash: every event of a key is taken or none, and every appliance takes the same keys.
 *
 *     const sample = new Sample(100);
 *     if (!sample.takes(user)) return;
 *
 * Keys of a sample of 1 in 100 are also in that of 1 in 10. It is the number of keys that is one n-th, not that of
 * events; and whoever knows the hash can choose keys that are never taken, so a sample is no guard.
 */
import { sketchHash } from './bytes';
import { Text } from './text';

@unmanaged
export class Sample {
  private last: u64 = 0;

  constructor(oneIn: u32) {
    if (!oneIn) abort('a sample takes one key in 1 or more');
    this.last = u64.MAX_VALUE / oneIn;
  }

  takes(key: Text): bool {
    return sketchHash(key.start, key.length) <= this.last;
  }
}
