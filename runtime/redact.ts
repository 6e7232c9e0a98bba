/**
 * Redaction: values that a record tells without saying them.
 *
 *     const redact = new Redactor(config().get('redact_key'));
 *     logins.open(at).text(USER, redact.hash(user)).text(SRC_IP, masked(address)).close();
 *
 * `hash` gives 16 hex digits: SipHash-2-4 of the bytes under a key of 128 bits (Aumasson and Bernstein, "SipHash: a
 * fast short-input PRF", 2012), its bytes in the order of the reference implementation. The same value gives the same
 * token wherever the key is the same; without the key nobody can try values out. `masked` keeps the network part of
 * an address (/24, or /48 of IPv6) and nothing of anything else. What they answer is good until they are called again.
 *
 * The key is 32 hex digits of the filter's config. No message ever shows it, or what stands in its place.
 */
import { NETWORK_BYTES_MAX, writeNetwork } from './address';
import { allocate } from './arena';
import { Config } from './config';
import { STRING } from './jsonvalue';
import { hexDigit } from './number';
import { literal, Text } from './text';

const KEY_DIGITS: usize = 32;
const TOKEN_BYTES: usize = 16;

export class Redactor {
  private k0: u64;
  private k1: u64;
  private token: Text;

  /** Stops the filter when the config has no such key. */
  constructor(key: Config) {
    if (key.kind !== STRING) refuseKey(key, key.isMissing() ? 'nothing' : 'something else');
    const digits = key.text();
    if (digits.length !== KEY_DIGITS) refuseKey(key, 'another number of characters');
    for (let i: usize = 0; i < KEY_DIGITS; i++) if (hexDigit(digits.at(i)) > 15) refuseKey(key, 'others');
    this.k0 = word(digits.start);
    this.k1 = word(digits.start + TOKEN_BYTES);
    const start = allocate(TOKEN_BYTES);
    this.token = new Text().set(start, start + TOKEN_BYTES);
  }

  /** The token of a value. */
  hash(value: Text): Text {
    let sum = sipHash(this.k0, this.k1, value.start, value.length);
    for (let i: usize = 0; i < TOKEN_BYTES; i += 2) {
      store<u8>(this.token.start + i, digitOf(<u8>(sum >> 4) & 15));
      store<u8>(this.token.start + i, digitOf(<u8>sum & 15), 1);
      sum >>= 8;
    }
    return this.token;
  }
}

const HIDDEN: Text = literal('***');
const networkAt: usize = allocate(NETWORK_BYTES_MAX);
const network: Text = new Text();

/** The network of an address, as `192.0.2.0/24`; `***` for anything else. */
export function masked(value: Text): Text {
  const end = writeNetwork(value, networkAt);
  return end ? network.set(networkAt, end) : HIDDEN;
}

function refuseKey(key: Config, found: string): void {
  abort(key.path + ': expected 32 hex digits, found ' + found);
}

// SipHash-2-4, section 2 of the paper: four words of state.
let v0: u64 = 0;
let v1: u64 = 0;
let v2: u64 = 0;
let v3: u64 = 0;

function sipHash(k0: u64, k1: u64, start: usize, bytes: usize): u64 {
  v0 = k0 ^ 0x736f6d6570736575;
  v1 = k1 ^ 0x646f72616e646f6d;
  v2 = k0 ^ 0x6c7967656e657261;
  v3 = k1 ^ 0x7465646279746573;
  const whole = start + (bytes & ~7);
  for (let at = start; at < whole; at += 8) compress(load<u64>(at));
  // The last word: what is left over, and the length in its highest byte.
  let last = (<u64>bytes) << 56;
  for (let i: usize = 0; i < (bytes & 7); i++) last |= (<u64>load<u8>(whole + i)) << (i << 3);
  compress(last);
  v2 ^= 0xff;
  mix(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

function compress(word: u64): void {
  v3 ^= word;
  mix(2);
  v0 ^= word;
}

function mix(rounds: u32): void {
  for (let round: u32 = 0; round < rounds; round++) {
    v0 += v1;
    v1 = rotl<u64>(v1, 13) ^ v0;
    v0 = rotl<u64>(v0, 32);
    v2 += v3;
    v3 = rotl<u64>(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl<u64>(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl<u64>(v1, 17) ^ v2;
    v2 = rotl<u64>(v2, 32);
  }
}

/** The little-endian word that 16 hex digits spell, two a byte. */
function word(digits: usize): u64 {
  let value: u64 = 0;
  for (let i: usize = 0; i < 8; i++) {
    const byte = (hexDigit(load<u8>(digits + 2 * i)) << 4) | hexDigit(load<u8>(digits + 2 * i, 1));
    value |= (<u64>byte) << (i << 3);
  }
  return value;
}

function digitOf(value: u8): u8 {
  return value < 10 ? 0x30 + value : 0x57 + value;
}
