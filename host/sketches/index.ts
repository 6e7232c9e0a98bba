/**
 * `weir/sketches`: reads what the library's sketches put into records, on whichever appliances, merges them, and answers.
 *
 *     import { mergeTop, readTop, topKeys } from 'weir/sketches';
 *
 *     const hour = mergeTop(readTop(one.bytes), readTop(two.bytes));
 *     for (const { key, count, error } of topKeys(hour, 10)) ...
 *
 * It never changes what it is handed. What is damaged, too large or cannot be merged is a WeirError whose `code` is
 * `SKETCH_INVALID`. `filters/REFERENCE.md` has the layouts of the bytes.
 */
export { WeirError } from '../errors.js';
export type { SketchBytes } from './bytes.js';
export { type DistinctSketch, estimateDistinct, mergeDistinct, readDistinct } from './distinct.js';
export { type FirstSeenSketch, mergeFirstSeen, missedShare, readFirstSeen, wasSeen } from './firstseen.js';
export {
  mergeQuantiles,
  type Quantile,
  type QuantilesSketch,
  quantileOf,
  readQuantiles,
} from './quantiles.js';
export { mergeTop, readTop, type TopEntry, type TopSketch, topKeys } from './top.js';
