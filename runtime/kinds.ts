/**
 * Kinds of lines, by group: which ones were there before, where a word that varies is no new kind for ever.
 *
 *     const kinds = new Kinds('kinds', 4096, 512, 256, 64);
 *     if (kinds.isNew(program, shape.read(message))) ... tell it, and kinds.varying when it is not empty
 *
 * When so many kinds (the last number) of a group differ from each other in one word only, the place of that word varies: they become one
 * kind with `*` there, and later lines that fit it are known. So the names that somebody guesses are new so many times,
 * and then take the room of one kind. Such templates are those of Drain (He, Zhu, Zheng and Lyu, "Drain: An Online Log
 * Parsing Approach with Fixed Depth Tree", ICWS 2017); here a template has one `*`, and not before so many values were seen,
 * because what it stands for is told no more.
 *
 * What finds no room is new each time, and counted in `overflowed`: a group past the capacity, a kind past it, or past its
 * group's share, which is what keeps groups from taking each other's room.
 *
 * A line whose kind is known takes two looks into tables. Any other takes one more for each place in which kinds of its
 * group vary, and, when it is entered, one pass over all kinds.
 */
import { count, OVERFLOWED } from './abi';
import { allocate } from './arena';
import { copyBytes, indexOfByte } from './bytes';
import { SHAPE_BYTES_MAX } from './shape';
import { Table } from './table';
import { Text } from './text';

/** Words further back never vary, so that a line takes a bounded number of looks. */
const WORDS_MAX: u32 = 32;
const GROUP_BYTES_MAX: usize = 64;
/** Three bytes more for each part; an empty word becomes a `*`. */
const GROUP_KEY_BYTES: u32 = 72;
const KIND_KEY_BYTES: u32 = 328;
const SPACE: u8 = 0x20;
const STAR: u8 = 0x2a;

// Tags of kinds in the table.
const PLAIN: u8 = 0;
const VARYING: u8 = 1;

// Counters of a group. Of places it has a bit for each word at which kinds vary.
const KINDS: u32 = 0;
const PLACES: u32 = 1;

@unmanaged
export class Kinds {
  /** The last line found no room: nothing was remembered of it. */
  isOverflow: bool = false;
  /** The last line was the first one of its group. */
  isNewGroup: bool = false;
  /** The group of the last line has a place. */
  hasGroup: bool = false;
  /** The kind that a place of the last line varies in, with `*` there, when it is this line that made it vary; else empty. */
  varying: Text = new Text();
  private share: i64 = 0;
  private variety: u16 = 0;
  private groups: Table;
  private kinds: Table;
  private group: Text = new Text();
  private kind: Text = new Text();
  private other: Text = new Text();
  private masked: Text = new Text();
  private buffer: usize = allocate(SHAPE_BYTES_MAX + 16);
  /** Of the words that begin at a byte of the kind: how many kinds differ in that one only. */
  private tallies: usize = allocate(2 * (SHAPE_BYTES_MAX + 1));

  /**
   * `capacity` kinds of up to `groups` groups, and up to `share` of each group; a word has `variety` values, 2 or more, before its place
   * varies.
   */
  constructor(name: string, capacity: u32, groups: u32, share: u32, variety: u32) {
    if (variety < 2 || variety > 0xffff)
      abort('kinds: expected 2 to 65535 values of a word before its place varies');
    this.share = share;
    this.variety = <u16>variety;
    // Each counts on the other, so a new version takes over both or none.
    this.groups = new Table(name + ' groups', groups, GROUP_KEY_BYTES, 2, capacity);
    this.kinds = new Table(name, capacity, KIND_KEY_BYTES, 0, groups);
  }

  /** True for a kind that the group has not had before, and for one that finds no room; cuts them at 64 and 256 bytes. */
  isNew(group: Text, kind: Text): bool {
    this.group.set(group.start, min(group.end, group.start + GROUP_BYTES_MAX));
    this.kind.set(kind.start, min(kind.end, kind.start + SHAPE_BYTES_MAX));
    this.varying.clear();
    const home = this.groups.at(0).by(this.group).row();
    this.isNewGroup = this.groups.isNew;
    this.hasGroup = !this.groups.isOverflow(home);
    this.isOverflow = !this.hasGroup;
    if (this.isOverflow) return true;
    if (this.entry(PLAIN, this.kind).find() || this.fits(home)) return false;
    this.enter(home);
    return true;
  }

  /** Begins the key of a kind. */
  private entry(tag: u8, kind: Text): Table {
    return this.kinds.at(0).by(this.group).byTagged(tag, kind);
  }

  /** The kind is one that varies at one of its words. */
  private fits(home: usize): bool {
    const places = this.groups.count(home, PLACES);
    const end = this.kind.end;
    let start = this.kind.start;
    for (let word: u32 = 0; places >> word && start <= end; word++) {
      const stop = indexOfByte(start, end, SPACE);
      if ((places >> word) & 1 && this.entry(VARYING, this.mask(start, stop)).find()) return true;
      start = stop + 1;
    }
    return false;
  }

  /** The kind with `*` in the place of one word. */
  private mask(start: usize, stop: usize): Text {
    const before = start - this.kind.start;
    const behind = this.kind.end - stop;
    copyBytes(this.buffer, this.kind.start, before);
    store<u8>(this.buffer + before, STAR);
    copyBytes(this.buffer + before + 1, stop, behind);
    return this.masked.set(this.buffer, this.buffer + before + 1 + behind);
  }

  private enter(home: usize): void {
    if (this.groups.count(home, KINDS) >= this.share) {
      count(OVERFLOWED, 1);
      this.isOverflow = true;
      return;
    }
    const row = this.entry(PLAIN, this.kind).row();
    this.isOverflow = this.kinds.isOverflow(row);
    if (this.isOverflow) return;
    this.groups.add(home, KINDS, 1);
    const start = this.variedWord(row);
    if (start) this.vary(home, row, start);
  }

  /** Start of the word that is the only one in which that many kinds differ from each other, with the one that was just entered; or 0. */
  private variedWord(entered: usize): usize {
    memory.fill(this.tallies, 0, 2 * (SHAPE_BYTES_MAX + 1));
    for (let number: u32 = 0; number < this.kinds.size(); number++) {
      const row = this.kinds.rowAt(number);
      const start = row === entered ? 0 : this.onlyWord(row);
      if (!start) continue;
      const tally = this.tallies + 2 * (start - this.kind.start);
      store<u16>(tally, load<u16>(tally) + 1);
      if (load<u16>(tally) === this.variety - 1 && this.wordAt(start) < WORDS_MAX) return start;
    }
    return 0;
  }

  /** Puts one kind with `*` in the place of those that differ at this word. */
  private vary(home: usize, entered: usize, start: usize): void {
    const rows = this.kinds.size();
    for (let number: u32 = 0; number < rows; number++) {
      const row = this.kinds.rowAt(number);
      if (row === entered || this.onlyWord(row) === start) this.kinds.drop(row);
    }
    this.kinds.forgetBefore(0);
    const text = this.mask(start, indexOfByte(start, this.kind.end, SPACE));
    this.entry(VARYING, text).row();
    this.varying.set(text.start, text.end);
    this.groups.add(home, KINDS, <i64>this.kinds.size() - <i64>rows);
    const places = this.groups.counterAt(home, PLACES);
    store<u64>(places, load<u64>(places) | ((<u64>1) << this.wordAt(start)));
  }

  /** Start of the one word of the kind in which a row's kind of the same group differs; or 0. */
  private onlyWord(row: usize): usize {
    const other = this.other;
    this.kinds.part(row, 0, other);
    if (this.kinds.isOverflow(row) || !other.equals(this.group)) return 0;
    if (this.kinds.part(row, 1, other) !== PLAIN) return 0;
    const kind = this.kind;
    const shorter = min(kind.length, other.length);
    let before: usize = 0;
    while (before < shorter && load<u8>(kind.start + before) === load<u8>(other.start + before)) before++;
    while (before && load<u8>(kind.start + before - 1) !== SPACE) before--;
    const start = kind.start + before;
    const most = shorter - before;
    let behind: usize = 0;
    while (behind < most && load<u8>(kind.end - behind - 1) === load<u8>(other.end - behind - 1)) behind++;
    while (behind && load<u8>(kind.end - behind) !== SPACE) behind--;
    return isWord(start, kind.end - behind) && isWord(other.start + before, other.end - behind) ? start : 0;
  }

  /** Number of the word of the kind that begins there. */
  private wordAt(start: usize): u32 {
    let words: u32 = 0;
    for (let at = this.kind.start; at < start; at++) if (load<u8>(at) === SPACE) words++;
    return words;
  }
}

function isWord(start: usize, end: usize): bool {
  return indexOfByte(start, end, SPACE) === end;
}
