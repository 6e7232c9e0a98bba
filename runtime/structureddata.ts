/**
 * Structured data of RFC 5424, section 6.3: `[id name="value" name="value"][id ...]`, judged by its grammar and
 * read in place. Values stay as they were sent, escapes included.
 *
 * `\"`, `\\` and `\]` are escapes; a backslash before anything else is an ordinary byte (section 6.3.3). An id
 * must not stand twice (section 6.3.2); that is checked among the first IDS_MAX elements, so that a line full of
 * elements costs no more than its length.
 */
import { allocate } from './arena';
import { equalBytes } from './bytes';
import { Text } from './text';
import { sequenceAt } from './utf8';

const IDS_MAX: u32 = 32;
/** Ids and names: section 6.3.2 and 6.3.3. */
const NAME_BYTES_MAX: usize = 32;
const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
const EQUALS: u8 = 0x3d;
const OPEN: u8 = 0x5b;
const BACKSLASH: u8 = 0x5c;
const CLOSE: u8 = 0x5d;

/** Start and end of the ids seen so far, u32 each. */
const ids: usize = allocate(IDS_MAX * 8);

/** Address behind the elements that begin at `start`, or 0 when they are not well-formed. */
export function structuredDataEnd(start: usize, end: usize): usize {
  let at = start;
  for (let element: u32 = 0; at < end && load<u8>(at) === OPEN; element++) {
    const idEnd = nameEnd(at + 1, end);
    if (!idEnd || !isNewId(at + 1, idEnd, element)) return 0;
    at = idEnd;
    while (at < end && load<u8>(at) === SPACE) {
      at = paramEnd(at + 1, end);
      if (!at) return 0;
    }
    if (at >= end || load<u8>(at++) !== CLOSE) return 0;
  }
  return at;
}

/**
 * Points `out` at the value of the first parameter with that name in the element with that id, in well-formed
 * structured data. Answers false, and leaves `out` empty, when there is none.
 */
export function findParam(data: Text, id: Text, name: Text, out: Text): bool {
  out.clear();
  const end = data.end;
  for (let at = data.start; at < end; at++) {
    const idEnd = nameEnd(at + 1, end);
    const isWanted = isSame(at + 1, idEnd, id);
    for (at = idEnd; load<u8>(at) === SPACE; ) {
      const nameStart = at + 1;
      const equals = nameEnd(nameStart, end);
      at = paramEnd(nameStart, end);
      if (isWanted && isSame(nameStart, equals, name)) {
        out.set(equals + 2, at - 1);
        return true;
      }
    }
  }
  return false;
}

/** Address behind `name="value"`, or 0. */
function paramEnd(start: usize, end: usize): usize {
  const equals = nameEnd(start, end);
  if (!equals || equals + 1 >= end || load<u8>(equals) !== EQUALS || load<u8>(equals, 1) !== QUOTE) return 0;
  for (let at = equals + 2; at < end; ) {
    const byte = load<u8>(at);
    if (byte === QUOTE) return at + 1;
    if (byte === CLOSE) return 0;
    // The value is UTF-8 (section 6.3.3).
    const length = byte < 0x80 ? 1 : sequenceAt(at, end);
    if (length < 0) return 0;
    at += byte === BACKSLASH && isEscapable(at + 1, end) ? 2 : length;
  }
  return 0;
}

function isEscapable(at: usize, end: usize): bool {
  if (at >= end) return false;
  const byte = load<u8>(at);
  return byte === QUOTE || byte === BACKSLASH || byte === CLOSE;
}

/** Address behind an SD-NAME: 1 to 32 printable ASCII bytes without `=`, space, `]` and `"`; or 0. */
function nameEnd(start: usize, end: usize): usize {
  let at = start;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte <= SPACE || byte >= 0x7f || byte === EQUALS || byte === CLOSE || byte === QUOTE) break;
  }
  return at === start || at - start > NAME_BYTES_MAX ? 0 : at;
}

function isNewId(start: usize, end: usize, element: u32): bool {
  for (let i: u32 = 0; i < min(element, IDS_MAX); i++) {
    const seen = load<u32>(ids + ((<usize>i) << 3));
    if (load<u32>(ids + ((<usize>i) << 3), 4) - seen === end - start && equalBytes(seen, start, end - start))
      return false;
  }
  if (element < IDS_MAX) {
    store<u32>(ids + ((<usize>element) << 3), <u32>start);
    store<u32>(ids + ((<usize>element) << 3), <u32>end, 4);
  }
  return true;
}

function isSame(start: usize, end: usize, text: Text): bool {
  return end - start === text.length && equalBytes(start, text.start, text.length);
}
