/**
 * What differs between two texts, line by line, as a person reads it: `-` before lines that are gone, `+` before new
 * ones, and a little of what stands around them. What nobody would see, as the CR of a line that ends with CR LF, is shown
 * by its number.
 */
import { printable } from '../errors.js';
import { counted, grouped } from './report.js';

/** Lines shown before and after a difference. */
const CONTEXT_LINES = 2;
/** Past this many pairs of lines the middle is aligned a part at a time: the table below grows with both texts. */
const PAIRS_MAX = 4_000_000;
const PART_LINES = 500;
const SHOWN_LINES_MAX = 200;
/** Lines that are gone one after the other, or new, are at most this part of what is shown, so that the others are seen, too. */
const RUN_PART = 1 / 4;
const SHOWN_CHARACTERS_MAX = 400;
/** Of those, at the end of a line: there stands a CR. */
const SHOWN_END_CHARACTERS = 40;

interface Line {
  readonly mark: ' ' | '-' | '+';
  readonly text: string;
}

/**
 * The first lines that lead from one text to the other, and how many more differ; empty when there is no difference.
 * `linesMax` bounds them; one line more says what is left out.
 */
export function lineDiff(before: string, after: string, linesMax = SHOWN_LINES_MAX): string[] {
  const lines = align(linesOf(before), linesOf(after));
  const isNear = lines.map((_, at) =>
    lines.slice(Math.max(0, at - CONTEXT_LINES), at + CONTEXT_LINES + 1).some(({ mark }) => mark !== ' '),
  );
  if (!isNear.includes(true)) return [];
  const runMax = Math.ceil(linesMax * RUN_PART);
  const shown: string[] = [];
  let run = 0;
  let at = 0;
  for (; at < lines.length && shown.length < linesMax; at++) {
    const { mark, text } = lines[at] as Line;
    run = mark === lines[at - 1]?.mark ? run + 1 : 1;
    if (!isNear[at]) {
      if (at === 0 || isNear[at - 1]) shown.push('  ...');
    } else if (mark !== ' ' && run > runMax) {
      const more = runLength(lines, at);
      shown.push(`${mark} ... ${counted(more, 'line')} more`);
      at += more - 1;
    } else shown.push(`${mark} ${shorten(printable(text))}`);
  }
  const more = lines.slice(at).filter(({ mark }) => mark !== ' ').length;
  return more > 0 ? [...shown, `  ... and ${grouped(more)} more that differ`] : shown;
}

/** How many lines from here on have the same mark. */
function runLength(lines: readonly Line[], from: number): number {
  let to = from;
  while (lines[to]?.mark === lines[from]?.mark) to++;
  return to - from;
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function shorten(text: string): string {
  if (text.length <= SHOWN_CHARACTERS_MAX) return text;
  return `${text.slice(0, SHOWN_CHARACTERS_MAX - SHOWN_END_CHARACTERS)}...${text.slice(-SHOWN_END_CHARACTERS)}`;
}

/** Both texts as one list: what both begin and end with, and between it what the longest common part leaves. */
function align(a: readonly string[], b: readonly string[]): Line[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  const most = Math.min(a.length, b.length) - start;
  while (end < most && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  return [
    ...marked(' ', a.slice(0, start)),
    ...alignParts(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...marked(' ', a.slice(a.length - end)),
  ];
}

function marked(mark: Line['mark'], texts: readonly string[]): Line[] {
  return texts.map((text) => ({ mark, text }));
}

/** Aligns long texts a part at a time; what follows the last line that a part has in common is left to the next one. */
function alignParts(a: readonly string[], b: readonly string[]): Line[] {
  if (a.length * b.length <= PAIRS_MAX) return alignMiddle(a, b);
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const part = alignMiddle(a.slice(i, i + PART_LINES), b.slice(j, j + PART_LINES));
    const common = 1 + part.findLastIndex(({ mark }) => mark === ' ');
    // Were it less than half, the same lines would be aligned again and again.
    for (const line of part.slice(0, common < part.length / 2 ? part.length : common)) {
      lines.push(line);
      if (line.mark !== '+') i++;
      if (line.mark !== '-') j++;
    }
  }
  return lines;
}

/** `longest[i * width + j]` is the length of the longest common part of `a` from i and `b` from j. */
function alignMiddle(a: readonly string[], b: readonly string[]): Line[] {
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => longest[i * width + j] as number;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ mark: ' ', text: a[i++] as string });
      j++;
    } else if (j === b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ mark: '-', text: a[i++] as string });
    } else {
      lines.push({ mark: '+', text: b[j++] as string });
    }
  }
  return lines;
}
