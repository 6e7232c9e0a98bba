/**
 * The archive: one form only, which everybody's `tar` reads, and nothing else passes.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../../host/errors.js';
import { type ArchiveFiles, packArchive, unpackArchive } from '../../host/fleet/archive.js';
import { BUNDLE_BYTES_MAX, BUNDLE_FILES_MAX, BUNDLE_UNPACKED_BYTES_MAX } from '../../host/limits.js';
import { seeded } from '../filter.js';
import { temporaryFolder } from '../help.js';

const FILES: ArchiveFiles = new Map([
  ['LICENSE', Buffer.from('Do as you like.\n')],
  ['filter.json', Buffer.from('{}')],
  ['samples/a.log', Buffer.alloc(512, 'one line\n')],
  ['samples/b', Buffer.alloc(0)],
]);
const PACKED = packArchive(FILES, 'a');
const TAR = gunzipSync(PACKED);

/** As `packArchive` compresses, but with the other compressor, and whatever it is given. */
const packed = (tar: Uint8Array) => gzipSync(tar, { level: 9 });
const content = (files: ArchiveFiles) =>
  [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString('latin1')]);

/** What is wrong with an archive, without its name and the remedy. */
function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.instance(error, WeirError);
    const { code, problem } = error as WeirError;
    assert.is(code, 'BUNDLE_INVALID');
    assert.match(problem, /^a: .*found /);
    assert.not.match(problem, /[\p{Cc}\p{Zl}\p{Zp}]/u);
    return problem.slice('a: '.length);
  }
  throw new Error('expected it to be refused, found it accepted');
}

test('what is packed comes out, sorted by name; the order in which it came in does not matter', () => {
  assert.equal(content(unpackArchive(PACKED, 'a')), content(FILES));
  assert.equal(packArchive(new Map([...FILES].reverse()), 'a'), PACKED);
  assert.equal(content(unpackArchive(packed(TAR), 'a')), content(FILES), 'another compressor is as good');
  assert.is(unpackArchive(packArchive(new Map(), 'a'), 'a').size, 0);
});

test("the system's tar lists and extracts it, and packs the same bytes", async () => {
  const { path: folder, remove } = await temporaryFolder();
  const run = (...args: string[]) => spawnSync('tar', args, { cwd: folder, encoding: 'utf8' }).stdout;
  writeFileSync(join(folder, 'a.tgz'), PACKED);
  assert.is(run('tzf', 'a.tgz'), [...FILES.keys()].map((name) => `${name}\n`).join(''));
  mkdirSync(join(folder, 'out'));
  run('xzf', 'a.tgz', '-C', 'out');
  for (const [name, bytes] of FILES) assert.ok(readFileSync(join(folder, 'out', name)).equals(bytes), name);
  const constants = [
    '--format=ustar',
    '-b1',
    '--mode=0644',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mtime=@0',
  ];
  if (run('--version').includes('GNU tar')) {
    run(...constants, '-cf', 'b.tar', '-C', 'out', ...FILES.keys());
    assert.ok(readFileSync(join(folder, 'b.tar')).equals(TAR));
  } else
    console.log(
      "note: this system's tar is another one than GNU's; that it packs the same bytes was not tried",
    );
  await remove();
});

test('any bit that is flipped is refused, or changes nothing', () => {
  let harmless = 0;
  for (let bit = 0; bit < PACKED.length * 8; bit++) {
    const flipped = Uint8Array.from(PACKED);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    try {
      assert.equal(content(unpackArchive(flipped, 'a')), content(FILES), `bit ${bit}`);
      harmless++;
    } catch (error) {
      assert.is((error as WeirError).code, 'BUNDLE_INVALID', `bit ${bit}: ${error}`);
    }
  }
  // Some bits say nothing of the content: what fills up the last byte, codes that are not used.
  assert.ok(harmless < (PACKED.length * 8) / 40, `${harmless} of ${PACKED.length * 8}`);
});

test('whatever is cut off, put behind or put before it is refused', () => {
  for (let length = 0; length < PACKED.length; length++)
    refusalOf(() => unpackArchive(PACKED.subarray(0, length), 'a'));
  for (const more of [
    Buffer.alloc(1),
    Buffer.alloc(20_000),
    Buffer.from('junk'),
    PACKED,
    packed(Buffer.alloc(0)),
  ])
    assert.match(
      refusalOf(() => unpackArchive(Buffer.concat([PACKED, more]), 'a')),
      new RegExp(`^expected ${PACKED.length} bytes, found `),
    );
  assert.match(
    refusalOf(() => unpackArchive(Buffer.concat([Buffer.alloc(1), PACKED]), 'a')),
    /^expected gzip that begins with 1f8b0800000000000203, found 001f/,
  );
  assert.match(
    refusalOf(() => unpackArchive(TAR, 'a')),
    /^expected gzip/,
  );
  assert.match(
    refusalOf(() => unpackArchive(gzipSync(TAR, { level: 1 }), 'a')),
    /^expected gzip/,
    'a header of its own could say anything',
  );
});

test('what unpacks to more than the limit, or is larger than it, is refused without being unpacked', () => {
  const bomb = packed(Buffer.alloc(100 * 1024 * 1024));
  assert.ok(bomb.length < BUNDLE_BYTES_MAX);
  const expected = `expected up to ${BUNDLE_UNPACKED_BYTES_MAX} bytes unpacked, found more`;
  assert.is(
    refusalOf(() => unpackArchive(bomb, 'a')),
    expected,
  );
  const large = refusalOf(() => unpackArchive(Buffer.alloc(BUNDLE_BYTES_MAX + 1), 'a'));
  assert.is(large, `expected up to ${BUNDLE_BYTES_MAX} bytes, found ${BUNDLE_BYTES_MAX + 1}`);
});

test('what would be refused is not packed', () => {
  const one = (name: string, bytes = Buffer.alloc(0)) =>
    refusalOf(() => packArchive(new Map([[name, bytes]]), 'a'));
  assert.match(
    one('x', Buffer.alloc(BUNDLE_UNPACKED_BYTES_MAX)),
    /^expected up to 4194304 bytes unpacked, found 4195840$/,
  );
  const below = seeded(5);
  const random = Buffer.from(Uint8Array.from({ length: BUNDLE_BYTES_MAX }, () => below(256)));
  assert.match(one('x', random), /^expected up to 524288 bytes, found 52\d+$/);
  const many = new Map(Array.from({ length: BUNDLE_FILES_MAX + 1 }, (_, at) => [`f${at}`, Buffer.alloc(0)]));
  assert.is(
    refusalOf(() => packArchive(many, 'a')),
    `expected up to ${BUNDLE_FILES_MAX} files, found ${BUNDLE_FILES_MAX + 1}`,
  );
  for (const name of WRONG_NAMES) assert.match(one(name), /^a file in it: expected a name of letters/, name);
});

const WRONG_NAMES = [
  ...[
    '',
    '.',
    '..',
    '../x',
    'samples/../x',
    '/etc/passwd',
    './x',
    'x/',
    'samples/',
    'samples//x',
    'other/x',
    'samples/a/b',
  ],
  ...[
    '.hidden',
    '-rf',
    'samples/-rf',
    'a b',
    'a\\b',
    'C:x',
    'ä',
    'a\u202eb',
    'a\nb',
    'x'.repeat(101),
    `samples/${'x'.repeat(93)}`,
  ],
];

interface Entry {
  readonly name?: string;
  readonly bytes?: Uint8Array;
  /** What is written over a header, by offset, before its checksum is made. */
  readonly over?: Readonly<Record<number, string>>;
}

const BLOCK = 512;

/** Entries as somebody else might write them: a header of ours with changes, and a checksum that fits. */
function tarOf(entries: readonly Entry[], end: Uint8Array = Buffer.alloc(2 * BLOCK)): Buffer {
  const blocks = entries.flatMap(({ name = 'x', bytes = Buffer.from('some text'), over = {} }) => {
    const header = gunzipSync(packArchive(new Map([['x', bytes]]), 'a')).subarray(0, BLOCK);
    header.fill(0, 0, 100).write(name, 'latin1');
    for (const [at, text] of Object.entries(over)) header.write(text, Number(at), 'latin1');
    if (!('148' in over)) {
      const sum = header.fill(' ', 148, 156).reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    }
    return [header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...blocks, end]);
}

test('names that leave the folder, hide, or are there twice are refused', () => {
  const refused = (...names: string[]) =>
    refusalOf(() => unpackArchive(packed(tarOf(names.map((name) => ({ name })))), 'a'));
  assert.is(unpackArchive(packed(tarOf([{ name: 'x' }, { name: 'y' }])), 'a').size, 2, 'the helper is right');
  for (const name of WRONG_NAMES.filter(
    (found) => found !== '' && found.length <= 100 && !/[^\0-\xff]/.test(found),
  ))
    assert.match(refused(name), /^a file in it: expected a name of letters/, name);
  assert.match(refused(''), /^expected zeros between the files/);
  assert.match(refused('x'.repeat(101)), /^x{100}: mode: expected/, 'it would run over what follows');
  assert.is(refused('x', 'x'), 'x: expected it once, found it again');
  assert.is(refused('X', 'x'), 'x: expected names that differ in more than capitals, found it twice');
  assert.is(refused('y', 'x'), 'x: expected files sorted by name, found it behind y');
});

test('only regular files of the one form pass: no links, devices, folders, extensions, owners or times', () => {
  const refused = (over: Record<number, string>) =>
    refusalOf(() => unpackArchive(packed(tarOf([{ over }])), 'a'));
  for (const type of ['\0', '1', '2', '3', '4', '5', '6', '7', 'g', 'x', 'L', 'K', 'S', 'V', 'M'])
    assert.match(refused({ 156: type }), /^x: typeflag: expected "0", found "/, type);
  for (const [at, text, field] of [
    [1, '\0y', 'name'],
    [100, '0000755', 'mode'],
    [100, '0004644', 'mode'],
    [108, '0001000', 'uid'],
    [116, '0001000', 'gid'],
    [124, '00000000011 ', 'size'],
    [124, '         11\0', 'size'],
    [124, '\x80\0\0\0\0\0\0\0\0\0\0\x09', 'size'],
    [124, '-0000000011\0', 'size'],
    [136, '00000000001', 'mtime'],
    [148, '000000\0 ', 'chksum'],
    [157, '/etc/passwd', 'linkname'],
    [257, 'ustar  \0', 'magic'],
    [263, '01', 'version'],
    [265, 'root', 'uname'],
    [297, 'root', 'gname'],
    [329, '0000001', 'devmajor'],
    [337, '0000001', 'devminor'],
    [345, '../..', 'prefix'],
    [511, 'x', 'padding'],
  ] as const)
    assert.match(refused({ [at]: text }), new RegExp(`^x: ${field}: expected ".*", found "`), field);
});

test('sizes, padding and the end have to fit', () => {
  const refused = (tar: Uint8Array) => refusalOf(() => unpackArchive(packed(tar), 'a'));
  assert.is(refused(tarOf([{ over: { 124: '77777777777\0' } }])), 'x: expected 8589934591 bytes, found 1536');
  assert.is(refused(tarOf([{ over: { 124: '00000003001\0' } }])), 'x: expected 1537 bytes, found 1536');
  const dirty = tarOf([{}]);
  dirty[BLOCK + 100] = 1;
  const end = /^expected zeros between the files, and 1024 of them at the end, found something else$/;
  assert.match(refused(dirty), end);
  for (const blocks of [0, 1, 3, 20]) assert.match(refused(tarOf([{}], Buffer.alloc(blocks * BLOCK))), end);
  assert.match(refused(Buffer.concat([tarOf([{}]), tarOf([{}])])), end, 'a second archive behind the end');
  assert.match(refused(tarOf([{}], Buffer.alloc(2 * BLOCK).fill(1, 600))), end);
  assert.match(
    refused(tarOf([{}], Buffer.alloc(100, 'y'))),
    /^y{100}: expected a header of 512 bytes, found 100$/,
  );
  assert.match(
    refused(
      tarOf(
        Array.from({ length: BUNDLE_FILES_MAX + 1 }, (_, at) => ({
          name: `f${String(at).padStart(4, '0')}`,
        })),
      ),
    ),
    /^expected up to \d+ files, found more$/,
  );
});

test('the trailer has to tell of what was unpacked', () => {
  for (const at of [-8, -4]) {
    const wrong = Buffer.from(PACKED);
    wrong.writeUInt32LE(7, wrong.length + at);
    assert.match(
      refusalOf(() => unpackArchive(wrong, 'a')),
      /^expected content of the checksum and length/,
    );
  }
});

test('a damaged archive is refused in one line, or is the one form of what is in it', () => {
  const seed = 20_260_801;
  console.log(`seed ${seed}`);
  const below = seeded(seed);
  let accepted = 0;
  for (let round = 0; round < 4_000; round++) {
    const tar = Buffer.from(TAR.subarray(0, below(8) === 0 ? below(TAR.length) : TAR.length));
    for (let changes = 1 + below(3); changes > 0 && tar.length > 0; changes--) {
      const at = below(3) === 0 ? below(BLOCK) : below(tar.length);
      tar[at % tar.length] = below(4) === 0 ? below(256) : (TAR[below(TAR.length)] as number);
    }
    try {
      const files = unpackArchive(packed(tar), 'a');
      accepted++;
      assert.ok(gunzipSync(packArchive(files, 'a')).equals(tar), `seed ${seed}, round ${round}`);
    } catch (error) {
      assert.is((error as WeirError).code, 'BUNDLE_INVALID', `seed ${seed}, round ${round}: ${error}`);
      assert.not.match((error as WeirError).message, /[\p{Cc}\p{Zl}\p{Zp}]/u);
    }
  }
  assert.ok(accepted > 100 && accepted < 3_900, `accepted ${accepted}`);
});

test.run();
