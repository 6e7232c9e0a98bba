/**
 * JSON fields of a line (RFC 8259), without building a document.
 *
 *     const json = new Json();
 *     const user = json.field(literal('user.name'));      while the filter starts
 *     if (!json.parse(line)) return malformed();          in an event
 *     user.isString(); user.text();                       text() decodes escapes
 *
 * A line without nesting and escapes, which is most of them, takes the short way of flatjson.ts. Any other is
 * walked: a SIMD mask of quotes, backslashes and brackets for 16 bytes at a time; strings are skipped from
 * quote to quote, and only a key that some field's path may continue with is compared.
 *
 * A path's dots mean nesting; a key that itself holds the dots (`id.orig_h`) is found too, at the top level. A part
 * that is a whole number without leading zeros is an element of an array, from 0, and a key of an object: whichever
 * of the two the line has there (`items.0.name`). The outermost value is always an object. Of
 * a repeated key the last value counts, as with `JSON.parse`. A line is malformed when it is not one object with
 * its strings closed and brackets balanced; commas, colons and numbers of fields that nobody asked for are not
 * checked. Nesting deeper than DEPTH_MAX is malformed.
 */
import { allocate } from './arena';
import { equalBytes, indexOfByte } from './bytes';
import { FlatJson } from './flatjson';
import { ARRAY, Field, OBJECT, STRING, skipSpace, unescape } from './jsonvalue';
import { Text } from './text';

export const DEPTH_MAX: i32 = 64;
/** Fields of one Json. */
export const FIELDS_MAX: u32 = 64;

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const COMMA: u8 = 0x2c;
const COLON: u8 = 0x3a;
const OPEN_BRACE: u8 = 0x7b;
const CLOSE_BRACE: u8 = 0x7d;
const OPEN_BRACKET: u8 = 0x5b;
const CLOSE_BRACKET: u8 = 0x5d;
const PIPE: u8 = 0x7c;
const DOT: u8 = 0x2e;
const POINTER_BYTES: usize = sizeof<usize>();
/** Digits of the largest index of an element. */
const INDEX_DIGITS_MAX: usize = 9;

/** A key that some path goes through: the field that ends here, and the keys that may follow below it. */
@unmanaged
class Node {
  name: Text = new Text();
  /** The first 8 bytes of the name, compared before the rest. */
  head: u64 = 0;
  /** One bit for each length that a child's name has; a key of another length needs no comparison. */
  childLengths: u64 = 0;
  /** Which element of an array this is, or -1. */
  index: i32 = -1;
  /** The largest index among the children, or -1. */
  lastIndex: i32 = -1;
  field: Field | null = null;
  child: Node | null = null;
  sibling: Node | null = null;

  childNamed(name: Text): Node {
    let node = this.child;
    while (node && !node.name.equals(name)) node = node.sibling;
    if (node) return node;
    const made = new Node();
    made.name.set(name.start, name.end);
    made.head = this.headOf(name.start, name.length);
    made.sibling = this.child;
    this.child = made;
    this.childLengths |= lengthBit(name.length);
    made.index = indexOf(name);
    this.lastIndex = max(this.lastIndex, made.index);
    return made;
  }

  /** The child that is an element of this array, or null. */
  element(index: i32): Node | null {
    let node = this.child;
    while (node && node.index !== index) node = node.sibling;
    return node;
  }

  /** The child that a key in the line names, or null. */
  find(start: usize, bytes: usize): Node | null {
    if (!(this.childLengths & lengthBit(bytes))) return null;
    const head = this.headOf(start, bytes);
    let node = this.child;
    while (node && !node.isNamed(head, start, bytes)) node = node.sibling;
    return node;
  }

  /** A repeated key replaces what an earlier one held. */
  clear(): void {
    if (this.field) this.field!.forget();
    let node = this.child;
    while (node) {
      node.clear();
      node = node.sibling;
    }
  }

  /** The first 8 bytes of a name as a number, shorter ones filled up with zeros. */
  @inline
  private headOf(start: usize, bytes: usize): u64 {
    const head = load<u64>(start);
    return bytes >= 8 ? head : head & (((<u64>1) << (bytes << 3)) - 1);
  }

  private isNamed(head: u64, start: usize, bytes: usize): bool {
    if (this.head !== head || this.name.length !== bytes) return false;
    return bytes <= 8 || equalBytes(this.name.start, start, bytes);
  }
}

@unmanaged
export class Json {
  private root: Node = new Node();
  private flat: FlatJson = new FlatJson();
  private fields: usize = allocate(POINTER_BYTES * FIELDS_MAX);
  private fieldCount: u32 = 0;
  /** For each depth: the node whose object is open, and the field whose value is the open container; or 0. */
  private nodes: usize = allocate(POINTER_BYTES * (DEPTH_MAX + 2));
  private containers: usize = allocate(POINTER_BYTES * (DEPTH_MAX + 2));
  /** For each depth: the node of the open array while elements of it may be wanted, or 0; and the next index. */
  private arrays: usize = allocate(POINTER_BYTES * (DEPTH_MAX + 2));
  private indexes: usize = allocate(4 * (DEPTH_MAX + 2));
  /** How many of the open arrays that is: only then commas are looked at. */
  private openArrays: i32 = 0;
  private key: Text = new Text();
  private rawKey: Text = new Text();
  /** What the value after the key that was just read belongs to. */
  private nextNode: Node | null = null;
  private nextField: Field | null = null;
  /** Takes the scalars that no field wants: they are judged all the same. */
  private unwanted: Field = new Field();

  /** The field at a dotted path; the same path gives the same field. Call it while the filter starts. */
  field(path: Text): Field {
    const flat = this.root.childNamed(path);
    if (flat.field) return flat.field!;
    if (this.fieldCount >= FIELDS_MAX) abort('expected at most 64 JSON fields');
    const made = new Field();
    store<usize>(this.fields + POINTER_BYTES * this.fieldCount++, changetype<usize>(made));
    flat.field = made;
    this.flat.add(path, made);
    let node = this.root;
    const rest = new Text().set(path.start, path.end);
    while (!rest.isEmpty()) {
      const dot = indexOfByte(rest.start, rest.end, DOT);
      node = node.childNamed(new Text().set(rest.start, dot));
      rest.start = min(dot + 1, rest.end);
    }
    node.field = made;
    return made;
  }

  /** Finds every field in the line; false when the line is malformed. */
  parse(line: Text): bool {
    let start = line.start;
    if (start < line.end && load<u8>(start) <= 0x20) start = skipSpace(start, line.end);
    if (start === line.end || load<u8>(start) !== OPEN_BRACE) return false;
    this.clear();
    return this.flat.parse(start, line.end) || this.walk(start, line.end);
  }

  @inline
  private clear(): void {
    for (let i: u32 = 0; i < this.fieldCount; i++) {
      changetype<Field>(load<usize>(this.fields + POINTER_BYTES * i)).forget();
    }
  }

  /** Walks the quotes, backslashes and brackets of the line. */
  private walk(start: usize, end: usize): bool {
    this.clear();
    this.nextNode = this.root;
    this.nextField = null;
    this.openArrays = 0;
    let base = start;
    let mask = this.structure(base, end);
    let depth = 0;
    let quote: usize = 0;
    let isEscaped = false;
    let isCarried = false;
    while (true) {
      while (!mask) {
        base += 16;
        if (base >= end) return false;
        mask = this.structure(base, end);
        if (this.openArrays) mask |= commas(base, end);
        if (isCarried) mask &= ~1;
        isCarried = false;
      }
      const place = base + ctz(mask);
      mask &= mask - 1;
      const byte = load<u8>(place);
      if (byte === QUOTE) {
        if (!quote) {
          quote = place;
          isEscaped = false;
        } else {
          if (!this.string(quote + 1, place, end, depth, isEscaped)) return false;
          quote = 0;
        }
      } else if (byte === BACKSLASH) {
        if (!quote) return false;
        isEscaped = true;
        // The byte behind a backslash never ends a string; it may be the first of the next block.
        if (place + 1 < base + 16) mask &= ~(1 << (place + 1 - base));
        else isCarried = true;
      } else if (!quote) {
        if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
          if (++depth > DEPTH_MAX) return false;
          this.openContainer(byte, depth);
          if (this.openArrays) {
            if (!this.element(place, end, depth)) return false;
            // Of this block only what lies behind the bracket.
            mask |= commas(base, end) & (-2 << (place - base));
          }
        } else if (byte === COMMA) {
          if (!this.element(place, end, depth)) return false;
        } else if (byte !== PIPE) {
          if (!this.closeContainer(place, byte, depth)) return false;
          if (--depth === 0) return skipSpace(place + 1, end) === end;
        }
      }
    }
  }

  /** One bit for each quote, backslash or bracket in the 16 bytes at `base`, and for `|`, which costs less to skip. */
  @inline
  private structure(base: usize, end: usize): i32 {
    const block = v128.load(base);
    // `[ \ ]` and `{ | }` are the same three codes apart from one bit.
    const folded = i8x16.sub(v128.or(block, i8x16.splat(0x20)), i8x16.splat(OPEN_BRACE));
    const mask = i8x16.bitmask(
      v128.or(i8x16.eq(block, i8x16.splat(QUOTE)), i8x16.lt_u(folded, i8x16.splat(3))),
    );
    return base + 16 <= end ? mask : mask & ((1 << (end - base)) - 1);
  }

  /** A string has ended: the value that the last key waits for, or a key, or a value that nobody asked for. */
  private string(start: usize, stop: usize, end: usize, depth: i32, isEscaped: bool): bool {
    if (this.nextField) {
      const field = this.nextField!;
      field.kind = STRING;
      field.raw.set(start, stop);
      field.isEscaped = isEscaped;
      this.nextField = null;
      return true;
    }
    const parent = changetype<Node | null>(load<usize>(this.nodes + POINTER_BYTES * depth));
    if (!parent) return true;
    let colon = stop + 1;
    if (load<u8>(colon) !== COLON) {
      // Most strings are values.
      if (load<u8>(colon) > 0x20) return true;
      colon = skipSpace(colon, end);
      if (colon >= end || load<u8>(colon) !== COLON) return true;
    }
    const node = isEscaped ? this.findEscaped(parent, start, stop) : parent.find(start, stop - start);
    if (!node) return true;
    const at = colon + 1;
    return this.value(node, load<u8>(at) <= 0x20 ? skipSpace(at, end) : at, end);
  }

  private findEscaped(parent: Node, start: usize, stop: usize): Node | null {
    unescape(this.rawKey.set(start, stop), this.key);
    return parent.find(this.key.start, this.key.length);
  }

  /** The value of a key that a path goes through. Strings and containers are finished when they end. */
  private value(node: Node, start: usize, end: usize): bool {
    node.clear();
    if (start >= end) return false;
    const byte = load<u8>(start);
    if (byte === QUOTE) {
      this.nextField = node.field;
      return true;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      this.nextNode = node;
      if (node.field) node.field!.raw.set(start, start);
      return true;
    }
    const field = node.field;
    return (field ? field : this.unwanted).setScalar(start, end);
  }

  private openContainer(byte: u8, depth: i32): void {
    const node = this.nextNode;
    this.nextNode = null;
    const field = node && depth > 1 ? node.field : null;
    const inside = byte === OPEN_BRACE ? node : null;
    const array = node && byte === OPEN_BRACKET && node.lastIndex >= 0 ? node : null;
    store<usize>(this.arrays + POINTER_BYTES * depth, changetype<usize>(array));
    store<i32>(this.indexes + 4 * depth, 0);
    if (array) this.openArrays++;
    store<usize>(this.nodes + POINTER_BYTES * depth, changetype<usize>(inside));
    store<usize>(
      this.containers + POINTER_BYTES * depth,
      changetype<usize>(field) | usize(byte === OPEN_BRACE),
    );
  }

  /** The next element of an open array begins behind its bracket or comma. */
  private element(before: usize, end: usize, depth: i32): bool {
    const array = changetype<Node | null>(load<usize>(this.arrays + POINTER_BYTES * depth));
    if (!array) return true;
    const index = load<i32>(this.indexes + 4 * depth);
    if (index > array.lastIndex) {
      this.closeArray(depth);
      return true;
    }
    store<i32>(this.indexes + 4 * depth, index + 1);
    const node = array.element(index);
    const start = skipSpace(before + 1, end);
    if (!node || (start < end && load<u8>(start) === CLOSE_BRACKET)) return true;
    return this.value(node, start, end);
  }

  /** No more elements of this array are wanted. */
  private closeArray(depth: i32): void {
    store<usize>(this.arrays + POINTER_BYTES * depth, 0);
    this.openArrays--;
  }

  private closeContainer(place: usize, byte: u8, depth: i32): bool {
    if (depth === 0) return false;
    if (load<usize>(this.arrays + POINTER_BYTES * depth)) this.closeArray(depth);
    const container = load<usize>(this.containers + POINTER_BYTES * depth);
    const isObject = (container & 1) === 1;
    if (isObject !== (byte === CLOSE_BRACE)) return false;
    const field = changetype<Field | null>(container & ~1);
    if (field) {
      field.kind = isObject ? OBJECT : ARRAY;
      field.raw.end = place + 1;
    }
    return true;
  }
}

/** One bit for each comma in the 16 bytes at `base`. */
function commas(base: usize, end: usize): i32 {
  const mask = i8x16.bitmask(i8x16.eq(v128.load(base), i8x16.splat(COMMA)));
  return base + 16 <= end ? mask : mask & ((1 << (end - base)) - 1);
}

/** Which element of an array a part of a path names, or -1: a number without leading zeros. */
function indexOf(name: Text): i32 {
  if (name.length > INDEX_DIGITS_MAX || (name.length > 1 && name.at(0) === 0x30)) return -1;
  let index = name.isEmpty() ? -1 : 0;
  for (let at = name.start; at < name.end; at++) {
    const digit: u8 = load<u8>(at) - 0x30;
    if (digit > 9) return -1;
    index = index * 10 + digit;
  }
  return index;
}

function lengthBit(bytes: usize): u64 {
  return (<u64>1) << min<usize>(bytes, 63);
}
