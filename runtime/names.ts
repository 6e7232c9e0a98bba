/**
 * Names: the fields that a filter wants from lines of `name=value`, found by their last bytes.
 *
 * A name in a line is looked up by the hash of its last 8 bytes, which for most names are all of it: one load, one
 * multiplication, and a table that is empty for most names that nobody wants.
 */
import { allocate } from './arena';
import { equalBytes } from './bytes';
import { Text } from './text';
import { Value } from './value';

/** Names that one reader looks for. */
export const NAMES_MAX: u32 = 64;

const POINTER_BYTES: usize = sizeof<usize>();
/** Pointers to wanted names. */
const SLOTS: usize = 256;

@unmanaged
class Wanted {
  /** The last 8 bytes of the name, above zeros when it is shorter. */
  tail: u64 = 0;
  name: Text = new Text();
  value: Value | null = null;
  next: Wanted | null = null;
}

@unmanaged
export class Names {
  size: u32 = 0;
  private slots: usize = allocate(POINTER_BYTES * SLOTS);
  private all: usize = allocate(POINTER_BYTES * NAMES_MAX);

  /** The value under a name; the same name gives the same value. Call it while the filter starts. */
  add(name: Text): Value {
    if (name.isEmpty()) abort('a field needs a name');
    const known = this.find(name.start, name.end);
    if (known) return known;
    if (this.size >= NAMES_MAX) abort('a reader looks for at most 64 names');
    const value = new Value();
    store<usize>(this.all + POINTER_BYTES * this.size++, changetype<usize>(value));
    this.alias(name, value);
    return value;
  }

  /** Finds the value under another name as well; of several in one line the first counts. */
  alias(name: Text, value: Value): void {
    if (name.isEmpty() || this.find(name.start, name.end)) abort('a field needs a name of its own');
    const made = new Wanted();
    made.tail = this.tailOf(name.start, name.end);
    made.name.set(name.start, name.end);
    const slot = this.slots + slotOf(made.tail);
    made.next = changetype<Wanted | null>(load<usize>(slot));
    store<usize>(slot, changetype<usize>(made));
    made.value = value;
  }

  /** The value under the name in [start, end), which is not empty; null when nobody wants it. */
  @inline
  find(start: usize, end: usize): Value | null {
    const tail = this.tailOf(start, end);
    const first = load<usize>(this.slots + slotOf(tail));
    return first ? this.match(changetype<Wanted>(first), tail, start, end) : null;
  }

  private match(first: Wanted, tail: u64, start: usize, end: usize): Value | null {
    let wanted: Wanted | null = first;
    while (wanted && !(wanted.tail === tail && isWhole(wanted.name, start, end))) wanted = wanted.next;
    return wanted ? wanted.value : null;
  }

  /** Bytes before `start` are loaded, too, and shifted out. */
  @inline
  private tailOf(start: usize, end: usize): u64 {
    return load<u64>(end - 8) >> ((8 - min<usize>(end - start, 8)) << 3);
  }

  /** Forgets what the line before said. */
  clear(): void {
    for (let i: u32 = 0; i < this.size; i++) {
      changetype<Value>(load<usize>(this.all + POINTER_BYTES * i)).clear();
    }
  }
}

function isWhole(name: Text, start: usize, end: usize): bool {
  return name.length === end - start && (name.length <= 8 || equalBytes(name.start, start, name.length));
}

function slotOf(tail: u64): usize {
  return (<usize>((tail * 0x9e3779b97f4a7c15) >> 56)) << alignof<usize>();
}
