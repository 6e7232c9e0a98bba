/**
 * What a unit test asks of a filter, looked at before it is done: a slip of its author gets an error that names it, where the
 * filter would have done something else, or nothing, without a word.
 */
import { BATCH_BYTES_MAX, BATCH_BYTES_MIN } from '../limits.js';
import { mismatch, unknownKey } from '../validate.js';
import { LEDGER_STREAM } from '../wire.js';
import { DEFAULT_NOW, type DrivenFilter, milliseconds, type Time } from './drive.js';

/** Options of `load`, all that there are. */
const LOAD_OPTIONS = ['config', 'timezone', 'now', 'batchBytes', 'project'];

/** Throws for options of `load` that it does not have, or that cannot be. */
export function checkLoadOptions(options: { readonly batchBytes?: number }): void {
  checkKeys('load', options, LOAD_OPTIONS);
  const { batchBytes: bytes = BATCH_BYTES_MIN } = options;
  if (Number.isInteger(bytes) && bytes >= BATCH_BYTES_MIN && bytes <= BATCH_BYTES_MAX) return;
  const expected = `a whole number from ${BATCH_BYTES_MIN} to ${BATCH_BYTES_MAX}`;
  throw new TypeError(`load: batchBytes: ${mismatch(expected, bytes)}`);
}

/** The same filter, with these streams, whose calls are looked at first. */
export function checkedCalls(
  filter: DrivenFilter,
  streams: readonly string[],
  now: Time = DEFAULT_NOW,
): DrivenFilter {
  let clockMs = milliseconds(now);
  let isOver = false;

  function needOpen(call: string): void {
    if (isOver) throw new TypeError(`${call}: expected no more calls after end(), which closed all windows`);
  }

  const checked: DrivenFilter = {
    ...filter,
    feed(input, options = {}) {
      needOpen('feed');
      checkKeys('feed', options, ['now']);
      const isLines = Array.isArray(input) && input.every((line) => typeof line === 'string');
      if (!isLines && !(input instanceof Uint8Array))
        throw new TypeError(`feed: ${mismatch('a list of lines, as feed([line]), or a Buffer', input)}`);
      // Earlier than before is a clock that was set back, as on an appliance.
      if (options.now !== undefined) clockMs = milliseconds(options.now);
      filter.feed(input, options);
      return checked;
    },
    tick(at) {
      needOpen('tick');
      const atMs = milliseconds(at);
      if (atMs < clockMs) {
        const clock = new Date(clockMs).toISOString();
        throw new TypeError(`tick: expected a time from ${clock} on, which the clock shows, found ${at}`);
      }
      clockMs = atMs;
      filter.tick(at);
      return checked;
    },
    end() {
      isOver = true;
      filter.end();
      return checked;
    },
    records(stream) {
      const known = [...streams, LEDGER_STREAM];
      if (stream !== undefined && !known.includes(stream))
        throw new TypeError(`records: ${mismatch(`a stream of the manifest (${known.join(', ')})`, stream)}`);
      return filter.records(stream);
    },
  };
  return checked;
}

function checkKeys(call: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new TypeError(`${call}: ${unknownKey(unknown, known)}`);
}
