/**
 * Keys of users of NATS, as https://github.com/nats-io/nkeys writes them: an Ed25519 key in base32, with a prefix that says what it is
 * for and a checksum. Node makes them 150 times faster than the client does, and a fleet needs thousands.
 */
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { oneLine, systemCode, WeirError } from '../errors.js';

/** Prefix bytes: they make the text begin with S and U. */
const SEED = 18 << 3;
const USER = 20 << 3;
/** RFC 4648, without padding. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const KEY_BYTES = 32;
/** What PKCS #8 (RFC 8410) puts before the bytes of an Ed25519 key. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The seed of a new user. It is a secret. */
export function createSeed(): string {
  // Five bits of the second prefix go into each of the first two bytes.
  return encode(Buffer.from([SEED | (USER >> 5), (USER & 31) << 3, ...randomBytes(KEY_BYTES)]));
}

/** The public key that belongs to a user's seed; nothing when the text is none. */
export function publicKeyOf(seed: string): string | undefined {
  const bytes = decode(seed, 2 + KEY_BYTES);
  if (bytes?.[0] !== (SEED | (USER >> 5)) || bytes[1] !== (USER & 31) << 3) return undefined;
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8, bytes.subarray(2)]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return encode(Buffer.from([USER, ...spki.subarray(-KEY_BYTES)]));
}

export function isPublicKey(text: string): boolean {
  return decode(text, 1 + KEY_BYTES)?.[0] === USER;
}

/** The public key of the seed in a file, which is made where there is none. Throws FILE_EXISTS for another file, OUTPUT_UNWRITABLE. */
export function keepSeed(path: string): { readonly publicKey: string; readonly isNew: boolean } {
  const found = readSeed(path);
  const seed = found ?? createSeed();
  const publicKey = publicKeyOf(seed);
  if (publicKey === undefined)
    throw new WeirError('FILE_EXISTS', `${path}: expected the seed of a user's nkey, found something else`);
  if (found === undefined) writeSeed(path, seed);
  return { publicKey, isNew: found === undefined };
}

function readSeed(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new WeirError('FILE_EXISTS', `${path}: expected a readable file, found ${oneLine(error)}`);
  }
}

function writeSeed(path: string, seed: string): void {
  try {
    writeFileSync(path, `${seed}\n`, { mode: 0o600, flag: 'wx', flush: true });
  } catch (error) {
    throw new WeirError('OUTPUT_UNWRITABLE', `${path}: ${oneLine(error)}`);
  }
}

/** Base32 of some bytes and their checksum. */
function encode(bytes: Buffer): string {
  let text = '';
  let bits = 0;
  let count = 0;
  for (const byte of [...bytes, ...checksum(bytes)]) {
    bits = ((bits << 8) | byte) & 0xfff;
    for (count += 8; count >= 5; count -= 5) text += ALPHABET[(bits >> (count - 5)) & 31];
  }
  return count > 0 ? text + ALPHABET[(bits << (5 - count)) & 31] : text;
}

/** The bytes of such a text, when there are so many and it is written as `encode` does. */
function decode(text: string, length: number): Buffer | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let count = 0;
  for (const character of text.slice(0, 2 * length)) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return undefined;
    bits = ((bits << 5) | value) & 0xfff;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes.push((bits >> count) & 0xff);
  }
  const found = Buffer.from(bytes.slice(0, length));
  return found.length === length && encode(found) === text ? found : undefined;
}

/** CRC-16 of XMODEM, lower byte first. */
function checksum(bytes: Uint8Array): readonly [number, number] {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return [crc & 0xff, crc >> 8];
}
