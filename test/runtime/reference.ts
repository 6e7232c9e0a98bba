/**
 * Plain references for the text tools, and generated data to compare on.
 */
import { isIPv4, isIPv6 } from 'node:net';

export type Below = (limit: number) => number;

export function word(below: Below, alphabet: string, longest: number): string {
  const letters = [...alphabet];
  return Array.from({ length: 1 + below(longest) }, () => letters[below(letters.length)]).join('');
}

export function many<Item>(count: number, make: (index: number) => Item): Item[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

export type Element = '*' | ReadonlySet<number>;

/** The pattern's elements, or null when it breaks the rules. */
export function globElements(pattern: Buffer): Element[] | null {
  const elements: Element[] = [];
  let at = 0;
  const next = () => pattern[at++] ?? Number.NaN;
  const nextPlain = () => {
    const byte = next();
    return byte === 0x5c ? next() : byte;
  };
  while (at < pattern.length) {
    const byte = next();
    if (byte === 0x2a) elements.push('*');
    else if (byte === 0x3f) elements.push(new Set(many(256, (value) => value)));
    else if (byte === 0x5c) elements.push(new Set([next()]));
    else if (byte !== 0x5b) elements.push(new Set([byte]));
    else {
      const isNegated = pattern[at] === 0x21;
      if (isNegated) at++;
      const set = new Set<number>();
      for (const first = at; at === first || pattern[at] !== 0x5d; ) {
        const low = nextPlain();
        const isRange = pattern[at] === 0x2d && at + 1 < pattern.length && pattern[at + 1] !== 0x5d;
        if (isRange) at++;
        const high = isRange ? nextPlain() : low;
        if (!(high >= low) || at >= pattern.length) return null;
        for (let value = low; value <= high; value++) set.add(value);
      }
      at++;
      elements.push(
        isNegated ? new Set(many(256, (value) => value).filter((value) => !set.has(value))) : set,
      );
    }
    if (elements.some((element) => element !== '*' && element.has(Number.NaN))) return null;
  }
  return elements;
}

/** By a table over all prefixes of both. */
export function globMatches(elements: readonly Element[], text: Buffer): boolean {
  let row = many(text.length + 1, (at) => at === 0);
  for (const element of elements) {
    const before = row;
    row = [];
    for (let at = 0; at <= text.length; at++) {
      if (element === '*') row.push(before[at] === true || row[at - 1] === true);
      else row.push(at > 0 && before[at - 1] === true && element.has(text[at - 1] as number));
    }
  }
  return row[text.length] === true;
}

/** Occurrences by start, the longest first, then the latest in the list. */
export function occurrences(needles: readonly string[], line: string): { index: number; start: number }[] {
  const found: { index: number; start: number; length: number }[] = [];
  needles.forEach((needle, index) => {
    for (let start = line.indexOf(needle); start >= 0; start = line.indexOf(needle, start + 1)) {
      found.push({ index, start, length: needle.length });
    }
  });
  return found.sort((a, b) => a.start - b.start || b.length - a.length || b.index - a.index);
}

/** The 128 bits of an address, by way of Node: of its URL parser, which takes `010` for octal, only where `isIP` does not refuse it. */
export function addressBits(text: string): bigint | null {
  const plain = text.replace(/%[\w.-]{1,16}$/, '');
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    if (!isIPv4(text)) return null;
    const parts = text.split('.').map(Number);
    return 0xffff00000000n | parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  }
  if (!isIPv6(plain) || !URL.canParse(`http://[${plain}]`)) return null;
  const [before = '', behind] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const tail = groups(behind ?? '');
  const zeros = behind === undefined ? 0 : 8 - groups(before).length - tail.length;
  return [...groups(before), ...many(zeros, () => '0'), ...tail].reduce(
    (sum, group) => sum * 65_536n + BigInt(`0x${group}`),
    0n,
  );
}

export function randomAddress(below: Below): string {
  const kind = below(8);
  const part = () => `${below(40) ? '' : '0'}${below(40) ? below(3) * 85 : 256}`;
  if (kind < 3) return many(4, part).join('.');
  const groups = many(8, () => (below(3) ? '0' : (below(3) * 0x7fff).toString(16)));
  if (kind === 3) return `::ffff:${many(4, part).join('.')}`;
  if (kind === 4) return groups.join(':') + (below(2) ? '%eth0' : '');
  const from = below(8);
  const gap = below(9 - from);
  const short = `${groups.slice(0, from).join(':')}::${groups.slice(from + gap + 1).join(':')}`;
  if (kind < 7) return short;
  const at = below(short.length);
  return `${short.slice(0, at)}${'0:.%x/'[below(6)]}${short.slice(at + 1)}`;
}
