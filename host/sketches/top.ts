/**
 * The most frequent keys: what `TopK` of the library puts into a record (SpaceSaving; `runtime/topk.ts`).
 *
 * With N the sum of all amounts, and also after a merge, where N and the capacity are those of the merged sketch:
 *
 *     count - error <= the key's true sum <= count,  error <= N / capacity,
 *     and every key whose true sum is above N / capacity is there.
 *
 * Amounts of keys that were too long for the filter, or collided there, are in N alone; its ledger has them as overflowed.
 */
import { bytesOf, countAt, exactSum, refuseSketch, type SketchBytes } from './bytes.js';

/** The key's true sum is from `count - error` to `count`. */
export interface TopEntry {
  /** As events had it, control characters and all. What is no UTF-8 is U+FFFD; keys that then look the same may be different ones. */
  readonly key: string;
  readonly count: number;
  readonly error: number;
}

export interface TopSketch {
  /** N. */
  readonly sum: number;
  readonly capacity: number;
  /** By the bytes of their keys as Latin-1, the greatest count first. */
  readonly entries: ReadonlyMap<string, TopEntry>;
}

const KEYS_MAX = 4096;
const HEADER_BYTES = 16;
const ENTRY_BYTES = 20;

/** Throws a WeirError `SKETCH_INVALID` for bytes that no `TopK` has written. */
export function readTop(given: SketchBytes): TopSketch {
  const bytes = bytesOf('a TopK', given, HEADER_BYTES);
  const sum = countAt('a sum of a TopK', bytes, 0);
  const capacity = bytes.readUInt32LE(8);
  const size = bytes.readUInt32LE(12);
  if (capacity < 1 || capacity > KEYS_MAX) refuseSketch(`a TopK of 1 to ${KEYS_MAX} keys`, capacity);
  if (size > capacity) refuseSketch(`a TopK with up to ${capacity} keys`, size);
  const sketch = { sum, capacity, entries: readEntries(bytes, size) };
  const counts = [...sketch.entries.values()];
  const total = counts.reduce((all, { count }) => all + count, 0);
  if (total > sum) refuseSketch(`counts of a TopK that add up to ${sum} at most`, total);
  // A key takes over the least count, which never becomes less: so no error is above N / capacity.
  const most = leastCount(sketch);
  const error = Math.max(0, ...counts.map((entry) => entry.error));
  if (error > most) refuseSketch(`errors of this TopK up to ${most}`, error);
  return sketch;
}

function readEntries(bytes: Buffer, size: number): Map<string, TopEntry> {
  const entries = new Map<string, TopEntry>();
  let at = HEADER_BYTES;
  let before = Number.MAX_SAFE_INTEGER;
  for (let left = size; left > 0; left--) {
    const end = at + ENTRY_BYTES + (at + ENTRY_BYTES <= bytes.length ? bytes.readUInt32LE(at + 16) : 0);
    if (end > bytes.length) refuseSketch(`a TopK of ${size} keys, each whole`, `${bytes.length} bytes`);
    const count = countAt('a count of a TopK', bytes, at);
    const error = countAt('an error of a TopK', bytes, at + 8);
    if (count > before) refuseSketch('the greatest count of a TopK first', count);
    const key = bytes.subarray(at + ENTRY_BYTES, end);
    entries.set(key.toString('latin1'), { key: key.toString('utf8'), count, error });
    before = count;
    at = end;
  }
  if (at !== bytes.length) refuseSketch(`a TopK of ${size} keys in ${at} bytes`, bytes.length);
  if (entries.size !== size) refuseSketch(`a TopK of ${size} different keys`, entries.size);
  return entries;
}

/** What a key that is not there may have had at most: the least count where it is full. */
function leastCount({ entries, capacity }: TopSketch): number {
  return entries.size < capacity ? 0 : ([...entries.values()].at(-1)?.count ?? 0);
}

/**
 * One of all amounts (Agarwal and others, "Mergeable Summaries", 2012): a key has the sums of its counts and of its errors; where it
 * is missing in one that is full, the least count of that in both. The greatest stay, as many as the smallest capacity.
 */
export function mergeTop(first: TopSketch, ...others: readonly TopSketch[]): TopSketch {
  return others.reduce(mergeTwo, first);
}

function mergeTwo(one: TopSketch, two: TopSketch): TopSketch {
  const sides = [one, two].map((side) => ({ ...side, least: leastCount(side) }));
  const entries = new Map<string, TopEntry>();
  for (const [name, { key }] of [...one.entries, ...two.entries]) {
    const parts = sides.map(({ entries: own, least }) => own.get(name) ?? { count: least, error: least });
    entries.set(name, {
      key,
      count: parts.reduce((sum, { count }) => sum + count, 0),
      error: parts.reduce((sum, { error }) => sum + error, 0),
    });
  }
  const capacity = Math.min(one.capacity, two.capacity);
  // Of equal counts the one whose bytes come first, so that the order of the two changes nothing.
  const sorted = [...entries].sort(([a, { count }], [b, other]) => other.count - count || (a < b ? -1 : 1));
  return {
    sum: exactSum('a sum', one.sum + two.sum),
    capacity,
    entries: new Map(sorted.slice(0, capacity)),
  };
}

/** The keys with the greatest counts, as many as are wanted. */
export function topKeys({ entries }: TopSketch, most: number = entries.size): TopEntry[] {
  return [...entries.values()].slice(0, most);
}
