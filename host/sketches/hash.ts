/**
 * The hash of sketches, as `runtime/bytes.ts` has it: words of 8 bytes, little-endian, the last one filled with zeros, are mixed into
 * a number that begins with the length; SplitMix64's end makes every bit depend on every byte.
 */
const wrap = (value: bigint) => BigInt.asUintN(64, value);

export function sketchHash(bytes: Buffer): bigint {
  let hash = wrap(BigInt(bytes.length) * 0x9e3779b97f4a7c15n);
  const words = Buffer.alloc(Math.ceil(bytes.length / 8) * 8);
  bytes.copy(words);
  for (let at = 0; at < words.length; at += 8) hash = mix(hash ^ words.readBigUInt64LE(at));
  hash = wrap((hash ^ (hash >> 30n)) * 0xbf58476d1ce4e5b9n);
  hash = wrap((hash ^ (hash >> 27n)) * 0x94d049bb133111ebn);
  return hash ^ (hash >> 31n);
}

function mix(value: bigint): bigint {
  const product = wrap((value ^ (value >> 32n)) * 0xd6e8feb86659fd93n);
  return product ^ (product >> 29n);
}
