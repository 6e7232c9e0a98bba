/**
 * Lines that nobody meant for a filter, the same ones each time: what a broken sender, a full disk or an attacker puts
 * between good lines.
 */
export interface JunkLine {
  readonly name: string;
  /** Without an LF. */
  readonly bytes: Buffer;
}

const SEED = 20_260_131;
const RANDOM_LINES = 40;
const DAMAGED_LINES = 120;
const LF = 10;

/** Junk for a filter whose good lines and input region are these; lines of the region's size are few. */
export function junkLines(good: readonly Buffer[], regionBytes: number): JunkLine[] {
  const below = seeded(SEED);
  const lines: JunkLine[] = [
    { name: 'an empty line', bytes: Buffer.alloc(0) },
    { name: 'a lone CR', bytes: Buffer.from('\r') },
    { name: 'spaces', bytes: Buffer.alloc(1000, ' ') },
    { name: 'NUL bytes', bytes: Buffer.alloc(3000) },
    { name: 'bytes 0xff', bytes: Buffer.alloc(3000, 0xff) },
    {
      name: 'overlong and surrogate UTF-8',
      bytes: Buffer.from('c080e080afeda080f08080aff4908080f8888080', 'hex'),
    },
    { name: 'UTF-8 that is cut short', bytes: Buffer.from('e282', 'hex') },
    { name: 'quotes', bytes: Buffer.alloc(5001, '"') },
    { name: 'backslashes', bytes: Buffer.alloc(5001, '\\') },
    { name: 'open brackets', bytes: Buffer.alloc(5001, '[{') },
    { name: 'digits', bytes: Buffer.alloc(5001, '9') },
    { name: 'a line as long as the input region', bytes: Buffer.alloc(regionBytes - 1, 'y') },
    { name: 'a line longer than the input region', bytes: Buffer.alloc(regionBytes + 100, 'y') },
  ];
  for (let at = 0; at < RANDOM_LINES; at++) {
    lines.push({ name: 'random bytes', bytes: withoutLf(Buffer.from(randomBytes(below))) });
  }
  for (let at = 0; at < DAMAGED_LINES && good.length > 0; at++) {
    lines.push({ name: 'a damaged line', bytes: damaged(good[below(good.length)] as Buffer, below) });
  }
  return lines;
}

function randomBytes(below: (limit: number) => number): Uint8Array {
  return Uint8Array.from({ length: 1 + below(600) }, () => below(256));
}

/** Cut short, or with up to four bytes changed. */
function damaged(line: Buffer, below: (limit: number) => number): Buffer {
  if (line.length === 0 || below(3) === 0) return Buffer.from(line.subarray(0, below(line.length + 1)));
  const copy = Buffer.from(line);
  for (let flips = 1 + below(4); flips > 0; flips--) copy[below(copy.length)] = below(256);
  return withoutLf(copy);
}

function withoutLf(bytes: Buffer): Buffer {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at)) bytes[at] = 0;
  return bytes;
}

/** xorshift32 (Marsaglia, "Xorshift RNGs"): seeded numbers below a limit. */
export function seeded(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
