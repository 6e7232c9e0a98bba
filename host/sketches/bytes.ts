/**
 * The bytes of a sketch as they come from the network, which are hostile: their size has a limit before anything is read, and what
 * is wrong is a `SKETCH_INVALID` that says what was expected and what was found.
 */
import { WeirError } from '../errors.js';
import { SKETCH_BYTES_MAX } from '../limits.js';

/** A byte string of a record: bytes, or the text in base64 that stands for them in JSON (RFC 4648, section 4). */
export type SketchBytes = Uint8Array | string;

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const BASE64_TEXT_MAX = Math.ceil(SKETCH_BYTES_MAX / 3) * 4;

export function refuseSketch(expected: string, found: unknown): never {
  throw new WeirError('SKETCH_INVALID', `expected ${expected}, found ${found}`);
}

/** Bytes that nobody else changes. */
export function bytesOf(what: string, given: SketchBytes, bytesMin: number): Buffer {
  const bytes = typeof given === 'string' ? decoded(what, given) : given;
  if (!(bytes instanceof Uint8Array)) refuseSketch(`${what} as bytes, or as text in base64`, typeof given);
  if (bytes.length < bytesMin || bytes.length > SKETCH_BYTES_MAX)
    refuseSketch(`${what} of ${bytesMin} to ${SKETCH_BYTES_MAX} bytes`, bytes.length);
  return Buffer.from(bytes);
}

/** A u64 that a number holds exactly. */
export function countAt(what: string, bytes: Buffer, at: number): number {
  const count = bytes.readBigUInt64LE(at);
  if (count > Number.MAX_SAFE_INTEGER) refuseSketch(`${what} up to ${Number.MAX_SAFE_INTEGER}`, count);
  return Number(count);
}

/** A sum that a number holds exactly. */
export function exactSum(what: string, sum: number): number {
  if (sum > Number.MAX_SAFE_INTEGER) refuseSketch(`${what} up to ${Number.MAX_SAFE_INTEGER}`, sum);
  return sum;
}

/** Two that can be merged are alike in this. */
export function expectSame(what: string, one: number, two: number): void {
  if (one !== two) refuseSketch(`sketches with the same ${what} to merge`, `${one} and ${two}`);
}

function decoded(what: string, text: string): Buffer {
  if (text.length > BASE64_TEXT_MAX)
    refuseSketch(`${what} of up to ${BASE64_TEXT_MAX} characters`, text.length);
  if (!BASE64.test(text)) refuseSketch(`${what} as text in base64`, 'another text');
  return Buffer.from(text, 'base64');
}
