/**
 * The archive of a bundle: a few files in one, which an auditor opens with `tar tzf`.
 *
 * gzip (RFC 1952) over ustar (POSIX.1-1988, "Extended tar Format"). The same files give the same bytes on every machine: names are sorted,
 * and owners, modes and times are constants. What is read has to be what would have been written, bit for bit, so there is no
 * room for links, folders, devices, extensions, odd padding, a second archive behind the first, or for two readers who see two contents.
 *
 *     gzip      header (10 bytes, always the same) | deflate | CRC-32 | length
 *     deflate   for each file: header (512 bytes), content, zeros up to a multiple of 512;  then 1,024 zeros
 *
 * All limits are checked before the memory is used that they limit. Nothing is ever written to a disk by this file.
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { gzipSync } from 'fflate';
import { oneLine, systemCode, type WeirError } from '../errors.js';
import { BUNDLE_BYTES_MAX, BUNDLE_FILES_MAX, BUNDLE_UNPACKED_BYTES_MAX } from '../limits.js';
import { mismatch, refusal } from '../validate.js';

/** Content by name, sorted by name. */
export type ArchiveFiles = ReadonlyMap<string, Uint8Array>;

/** No name can leave the folder into which somebody extracts it, hide there, or look like an option. */
const NAME = /^(samples\/)?[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const NAME_EXPECTED =
  'a name of letters, digits, ".", "_" and "-", of up to 100 characters with "samples/" or nothing before it';

/** RFC 1952, section 2.3: deflate, no flags, no time, compressed as well as possible (2), on Unix (3). fflate writes it so. */
const GZIP_HEADER = Buffer.from('1f8b0800000000000203', 'hex');
const GZIP_TRAILER_BYTES = 8;

const BLOCK_BYTES = 512;
const END_BYTES = 2 * BLOCK_BYTES;
const NAME_BYTES = 100;
const SIZE_AT = 124;
const SIZE_BYTES = 12;
/** Sum of a header's bytes, with spaces in the place of the sum. */
const NO_CHECKSUM = '        ';

/** Packs files. Throws BUNDLE_INVALID for a name or a size that cannot be. */
export function packArchive(files: ArchiveFiles, where: string): Uint8Array {
  const sorted = new Map([...files].sort(([one], [other]) => (one < other ? -1 : 1)));
  checkNames([...sorted.keys()], where);
  const tar = tarOf(sorted);
  if (tar.length > BUNDLE_UNPACKED_BYTES_MAX)
    throw tooLarge(where, `${BUNDLE_UNPACKED_BYTES_MAX} bytes unpacked`, `${tar.length}`);
  const bytes = gzipSync(tar, { level: 9, mtime: 0 });
  if (bytes.length > BUNDLE_BYTES_MAX) throw tooLarge(where, `${BUNDLE_BYTES_MAX} bytes`, `${bytes.length}`);
  return bytes;
}

/** Unpacks what `packArchive` has packed. Throws BUNDLE_INVALID for anything else; `where` names the archive. */
export function unpackArchive(bytes: Uint8Array, where: string): ArchiveFiles {
  const tar = gunzip(bytes, where);
  const files = new Map<string, Uint8Array>();
  let at = 0;
  while (at < tar.length && tar[at] !== 0) {
    const { name, size } = readHeader(tar.subarray(at, at + BLOCK_BYTES), where);
    at += BLOCK_BYTES;
    // Copied: a view would hold on to the whole archive for as long as one file is used.
    const content = new Uint8Array(tar.subarray(at, at + size));
    if (content.length < size)
      throw invalid(where, `${name}: expected ${size} bytes, found ${content.length}`);
    if (files.has(name)) throw invalid(where, `${name}: expected it once, found it again`);
    files.set(name, content);
    if (files.size > BUNDLE_FILES_MAX) throw tooLarge(where, `${BUNDLE_FILES_MAX} files`, 'more');
    at += paddedSize(size);
  }
  const names = [...files.keys()];
  checkNames(names, where);
  const unsorted = names.find((name, place) => place > 0 && name < (names[place - 1] as string));
  if (unsorted !== undefined)
    throw invalid(
      where,
      `${unsorted}: expected files sorted by name, found it behind ${names[names.indexOf(unsorted) - 1]}`,
    );
  // The padding of each file, and the end.
  if (!tar.equals(tarOf(files)))
    throw invalid(
      where,
      `expected zeros between the files, and ${END_BYTES} of them at the end, found something else`,
    );
  return files;
}

/** The one form of an archive, before it is compressed. */
function tarOf(files: ArchiveFiles): Buffer {
  const blocks: Uint8Array[] = [];
  for (const [name, content] of files) {
    const padding = Buffer.alloc(paddedSize(content.length) - content.length);
    blocks.push(
      Buffer.from(
        fieldsOf(name, content.length)
          .map(([, text]) => text)
          .join(''),
        'latin1',
      ),
    );
    blocks.push(content, padding);
  }
  return Buffer.concat([...blocks, Buffer.alloc(END_BYTES)]);
}

/** The header of a regular file, field by field, each with its bytes. */
function fieldsOf(name: string, size: number): readonly (readonly [field: string, text: string])[] {
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0');
  const fields = (checksum: string) =>
    [
      ['name', name.padEnd(NAME_BYTES, '\0')],
      ['mode', '0000644\0'],
      ['uid', '0000000\0'],
      ['gid', '0000000\0'],
      ['size', `${octal(size, SIZE_BYTES - 1)}\0`],
      ['mtime', '00000000000\0'],
      ['chksum', checksum],
      ['typeflag', '0'],
      ['linkname', '\0'.repeat(100)],
      ['magic', 'ustar\0'],
      ['version', '00'],
      ['uname', '\0'.repeat(32)],
      ['gname', '\0'.repeat(32)],
      ['devmajor', '0000000\0'],
      ['devminor', '0000000\0'],
      ['prefix', '\0'.repeat(155)],
      ['padding', '\0'.repeat(12)],
    ] as const;
  const unsigned = fields(NO_CHECKSUM)
    .map(([, text]) => text)
    .join('');
  const sum = Buffer.from(unsigned, 'latin1').reduce((total, byte) => total + byte, 0);
  return fields(`${octal(sum, 6)}\0 `);
}

/** Name and size of a file; everything else in its header can only be one thing. */
function readHeader(header: Buffer, where: string): { readonly name: string; readonly size: number } {
  const [name = ''] = header.toString('latin1', 0, NAME_BYTES).split('\0');
  checkNames([name], where);
  if (header.length < BLOCK_BYTES)
    throw invalid(where, `${name}: expected a header of ${BLOCK_BYTES} bytes, found ${header.length}`);
  const digits = header.toString('latin1', SIZE_AT, SIZE_AT + SIZE_BYTES);
  const size = /^[0-7]{11}\0$/.test(digits) ? Number.parseInt(digits, 8) : 0;
  let at = 0;
  const wrong = fieldsOf(name, size).flatMap(([field, expected]) => {
    const found = header.toString('latin1', at, at + expected.length);
    at += expected.length;
    return found === expected ? [] : [{ field, expected, found }];
  });
  // The checksum is wrong with whatever else is.
  const worst = wrong.find(({ field }) => field !== 'chksum') ?? wrong[0];
  if (worst === undefined) return { name, size };
  const problem = mismatch(JSON.stringify(shorten(worst.expected)), shorten(worst.found));
  throw invalid(where, `${name}: ${worst.field}: ${problem}`);
}

/** Without the zeros behind it, which say nothing. */
function shorten(field: string): string {
  return field.replace(/\0+$/, '');
}

/** Names that are allowed, few enough, and different also where a file system takes small letters and capitals for the same. */
function checkNames(names: readonly string[], where: string): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (!NAME.test(name) || name.length > NAME_BYTES)
      throw invalid(where, `a file in it: ${mismatch(NAME_EXPECTED, name)}`);
    const folded = name.toLowerCase();
    if (seen.has(folded))
      throw invalid(where, `${name}: expected names that differ in more than capitals, found it twice`);
    seen.add(folded);
  }
  if (names.length > BUNDLE_FILES_MAX) throw tooLarge(where, `${BUNDLE_FILES_MAX} files`, `${names.length}`);
}

/**
 * Unpacks what is exactly one member. zlib's own reader of gzip would go on to a second one, and not look at what is no
 * member; so the trailer is read here, right where the compressed data end.
 */
function gunzip(bytes: Uint8Array, where: string): Buffer {
  if (bytes.length > BUNDLE_BYTES_MAX) throw tooLarge(where, `${BUNDLE_BYTES_MAX} bytes`, `${bytes.length}`);
  const header = Buffer.from(bytes.subarray(0, GZIP_HEADER.length));
  if (!header.equals(GZIP_HEADER))
    throw invalid(
      where,
      `expected gzip that begins with ${GZIP_HEADER.toString('hex')}, found ${header.toString('hex') || 'nothing'}`,
    );
  const { buffer, engine } = inflate(bytes.subarray(GZIP_HEADER.length), where);
  const end = GZIP_HEADER.length + engine.bytesWritten;
  if (bytes.length !== end + GZIP_TRAILER_BYTES)
    throw invalid(where, `expected ${end + GZIP_TRAILER_BYTES} bytes, found ${bytes.length}`);
  const trailer = Buffer.from(bytes.subarray(end));
  if (trailer.readUInt32LE(0) !== crc32(buffer) || trailer.readUInt32LE(4) !== buffer.length)
    throw invalid(where, 'expected content of the checksum and length that it ends with, found another one');
  return buffer;
}

/** With `info`, Node answers how much it has read beside what it has unpacked. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

function inflate(bytes: Uint8Array, where: string): Inflated {
  try {
    const options = { maxOutputLength: BUNDLE_UNPACKED_BYTES_MAX, info: true };
    return inflateRawSync(bytes, options) as unknown as Inflated;
  } catch (error) {
    if (systemCode(error) === 'ERR_BUFFER_TOO_LARGE')
      throw tooLarge(where, `${BUNDLE_UNPACKED_BYTES_MAX} bytes unpacked`, 'more');
    throw invalid(where, `expected compressed data, found ${oneLine(error)}`);
  }
}

function paddedSize(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

function tooLarge(where: string, expected: string, found: string): WeirError {
  return invalid(where, `expected up to ${expected}, found ${found}`);
}

function invalid(where: string, problem: string): WeirError {
  return refusal('BUNDLE_INVALID', where, problem);
}
