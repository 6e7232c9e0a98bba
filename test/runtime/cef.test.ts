/**
 * The reader of CEF: its header, its escapes, generated lines against a plain parser, and hostile ones.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { seeded } from '../filter.js';
import { buildFieldsFilter, type FieldsFilter } from './fields.js';
import { ROOT } from './testfilter.js';
import { type Below, pick, surviveRubbish, word } from './rubbish.js';

const CORPUS = join(ROOT, '../shared/corpus/firewall');
const HEADER = ['_vendor', '_product', '_product_version', '_signature', '_name', '_severity'];

let filter: FieldsFilter;
test.before(async () => {
  filter = await buildFieldsFilter('cef-fields');
});
test.after(() => filter.remove());

const FIELDS = ['src', 'dst', 'suser', 'msg', 'request', 'cs1', 'cs1Label', 'x'];
const read = (line: string, fields: readonly string[] = FIELDS) =>
  filter.readOne(line, { config: { fields } });

/** The fields of the extension. */
function extensionOf(extension: string): WireRecord {
  const entries = Object.entries(read(`CEF:0|v|p|1|s|n|5|${extension}`));
  return Object.fromEntries(entries.filter(([name]) => FIELDS.includes(name)));
}

test('a line behind a syslog header gives its header and its fields', () => {
  const line =
    '<134>Jan 31 10:00:00 fw-01 CEF:0|Vendor|Fire wall|1.0|100|Login failed|5|src=192.0.2.1 suser=J. Doe spt=22 ' +
    'msg=Access to a=b refused: wrong password request=https://fw/?user\\=x&y=1 cs1Label=reason  cs1=bad one ';
  assert.equal(read(line), {
    valid: true,
    _version: 0,
    _vendor: 'Vendor',
    _product: 'Fire wall',
    _product_version: '1.0',
    _signature: '100',
    _name: 'Login failed',
    _severity: '5',
    src: '192.0.2.1',
    suser: 'J. Doe',
    msg: 'Access to',
    request: 'https://fw/?user=x&y=1',
    cs1: 'bad one',
    cs1Label: 'reason',
  });
});

test('escapes of the header are pipes and backslashes', () => {
  const { valid, ...found } = read('CEF:1|a\\|b|c\\\\|\\\\\\||d\\n||\\x|');
  assert.is(valid, true);
  assert.equal(found, {
    _version: 1,
    _vendor: 'a|b',
    _product: 'c\\',
    _product_version: '\\|',
    _signature: 'd\n',
    _name: '',
    _severity: '\\x',
  });
});

const EXTENSIONS: readonly (readonly [string, WireRecord])[] = [
  ['', {}],
  ['no pair', {}],
  ['src=1', { src: '1' }],
  ['src=', { src: '' }],
  ['src= dst=2', { src: '', dst: '2' }],
  [' src=1', { src: '1' }],
  ['msg=one two  three dst=2', { msg: 'one two  three', dst: '2' }],
  ['msg=a\\=b c\\=d\\\\ dst=2', { msg: 'a=b c=d\\', dst: '2' }],
  ['msg=one\\ntwo\\rthree\\tfour', { msg: 'one\ntwo\rthree\\tfour' }],
  ['msg=a\\\\nb', { msg: 'a\\nb' }],
  ['msg=a\\', { msg: 'a\\' }],
  ['msg=a|b', { msg: 'a|b' }],
  ['request=http://h/?src=1&dst=2 dst=3', { request: 'http://h/?src=1&dst=2', dst: '3' }],
  ['src=1 src=2 msg=src=3', { src: '1', msg: 'src=3' }],
  ['ad.x=1 xsrc=2 src[0]=3 src=4', { src: '4' }],
  ['src=1\tdst=2', { src: '1\tdst=2' }],
  ['src\\=1 dst=2', { dst: '2' }],
  ['x=\u00fc msg=\u00fc', { x: '\u00fc', msg: '\u00fc' }],
];

test('values hold spaces up to the next key, and escapes', () => {
  for (const [extension, expected] of EXTENSIONS) assert.equal(extensionOf(extension), expected, extension);
});

test('the mark begins a header at the start, or behind a space, a colon or an angle bracket', () => {
  for (const prefix of ['', 'x ', '<13>', 'Jan 31 10:00:00 h cef: ', 'p[1]:', 'xCEF:1 CEFCEF: ', 'CEF ']) {
    assert.is(read(`${prefix}CEF:0|v|p|1|s|n|5|src=1`).valid, true, prefix);
  }
  assert.is(read('CEF: 0|v|p|1|s|n|5|src=1').src, '1');
});

test('without a mark, a version or seven fields a line is malformed', () => {
  for (const line of [
    'CEF',
    'CEF:',
    'CEF:0',
    'CEF:x|v|p|1|s|n|5|src=1',
    'CEF:  0|v|p|1|s|n|5|',
    'CEF:00000|v|p|1|s|n|5|',
    'CEF:0|v|p|1|s|n|5',
    'CEF:0|v|p|1|s|n\\|5|src=1',
    'xCEF:0|v|p|1|s|n|5|',
    '0|v|p|1|s|n|5|src=1',
    'CEF:x CEF:0|v|p|1|s|n|5|',
  ]) {
    assert.is(read(line).valid, false, line);
  }
});

/** The whole of a line by regular expressions. */
function plainParse(line: string): WireRecord {
  const field = String.raw`((?:[^|\\]|\\.)*)\|`;
  const found = new RegExp(String.raw`(?:^|[\0- :>])CEF: ?(\d{1,4})\|${field.repeat(6)}(.*)$`).exec(line);
  if (found === null) return { valid: false };
  const meaning = (text: string) =>
    text.replace(/\\([\\=|nr])/g, (_, next) => (next === 'n' ? '\n' : next === 'r' ? '\r' : next));
  const record: WireRecord = { valid: true, _version: Number(found[1]) };
  for (const [index, name] of HEADER.entries()) record[name] = meaning(found[index + 2] as string);
  const extension = found[8] as string;
  const keys = [...extension.matchAll(/(?:^|(?<= ))([\w.[\]-]+)=/g)];
  keys.forEach((key, index) => {
    const end = keys[index + 1]?.index ?? extension.length;
    const value = extension.slice(key.index + key[0].length, end).replace(/ +$/, '');
    const name = key[1] as string;
    if (FIELDS.includes(name) && record[name] === undefined) record[name] = meaning(value);
  });
  return record;
}

function generated(below: Below): string {
  const written = (text: string, marks: RegExp) => text.replace(marks, '\\$&');
  const header = () => written(word('ab |\\5', 0, 12, below), /[|\\]/g);
  const value = () => written(word('ab ,:/\\=|n', 0, 30, below), /[=\\]/g);
  const fields = Array.from({ length: 6 }, header).join('|');
  const pairs = Array.from({ length: below(20) }, () => `${pick(FIELDS, below)}=${value()}`);
  return `${pick(['', '<13>', 'h '], below)}CEF:0|${fields}|${pairs.join(' ')}`;
}

test('generated lines give what a plain parser finds', () => {
  const seed = 20_260_131;
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  const lines = Array.from({ length: 4_000 }, () => generated(below));
  const found = filter.read(lines, { config: { fields: FIELDS } });
  lines.forEach((line, index) => {
    assert.equal(found[index], plainParse(line), line);
  });
});

test('hostile lines never stop the filter, and the line behind each is intact', () => {
  const below = seeded(5);
  const good = 'CEF:0|v|p|1|s|n|5|src=1 msg=a \\= b';
  surviveRubbish(filter, {
    seed: 20_260_204,
    bases: [good, ...Array.from({ length: 60 }, () => generated(below))],
    rounds: 4_000,
    good,
    expected: plainParse(good),
    options: { config: { fields: FIELDS } },
  });
});

test('a value of a megabyte costs no more than its length', () => {
  const startMs = performance.now();
  for (const part of ['x', '\\', '=', 'a=', ' a=', 'CEF:', '|', 'src= ']) {
    const filler = part.repeat(1_000_000 / part.length);
    const good = 'CEF:0|v|p|1|s|n|5|src=1';
    const lines = [filler, `CEF:0|${filler}`, `CEF:0|v|p|1|s|n|5|msg=${filler}`, good];
    const found = filter.read(lines, { config: { fields: FIELDS }, batchBytes: 2 * 1_048_576 });
    assert.equal(found[3], plainParse(good));
  }
  assert.ok(performance.now() - startMs < 15_000, `${performance.now() - startMs} ms`);
});

function corpusLines(): string[] {
  const crowdsec = readdirSync(join(CORPUS, 'crowdsec'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.log'))
    .flatMap((path) => readFileSync(join(CORPUS, 'crowdsec', path), 'utf8').split('\n'));
  const sc4s = readdirSync(join(CORPUS, 'sc4s'))
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(CORPUS, 'sc4s', name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { message: string }).message);
  return [...crowdsec, ...sc4s].filter((line) => line.includes('CEF:') && !line.includes('\n'));
}

/** What crowdsec's parser expects of its own sample, line by line. */
function headersExpected(): Map<number, Map<string, string>> {
  const names = new Map([
    ['cef_device_vendor', '_vendor'],
    ['cef_device_product', '_product'],
    ['cef_device_version', '_product_version'],
    ['cef_signature_id', '_signature'],
    ['cef_event_name', '_name'],
    ['cef_severity', '_severity'],
  ]);
  const lines = new Map<number, Map<string, string>>();
  const text = readFileSync(join(CORPUS, 'crowdsec/cef-logs/parser.assert'), 'utf8');
  for (const [, index, theirs, value] of text.matchAll(
    /"s00-raw"\]\["crowdsecurity\/cef-logs"\]\[(\d+)\]\.Evt\.Parsed\["(\w+)"\] == "(.*)"$/gm,
  )) {
    const fields = lines.get(Number(index)) ?? new Map<string, string>();
    const ours = names.get(theirs as string);
    if (ours !== undefined) fields.set(ours, value as string);
    lines.set(Number(index), fields);
  }
  return lines;
}

test('lines of real senders give what a plain parser and their own tests expect', () => {
  if (!existsSync(CORPUS)) {
    console.log(`\nnote: skipped, there are no logs in ${CORPUS}`);
    return;
  }
  const lines = corpusLines();
  const found = filter.read(lines, { config: { fields: FIELDS } });
  lines.forEach((line, index) => {
    assert.equal(found[index], plainParse(line), line);
  });
  const sample = readFileSync(join(CORPUS, 'crowdsec/cef-logs/cef-logs.log'), 'utf8').trimEnd().split('\n');
  let headers = 0;
  for (const [index, expected] of headersExpected()) {
    if (!sample[index]?.includes('CEF:')) continue;
    const fields = read(sample[index]);
    for (const [name, value] of expected) {
      assert.is(fields[name], value, sample[index]);
      headers++;
    }
  }
  console.log(`\nnote: ${lines.length} lines agree, and ${headers} header fields of crowdsec's sample`);
  console.log(
    'note: differs: a line without "CEF:" is malformed here; crowdsec reads "0|Vendor|..." alone as well',
  );
  assert.ok(lines.length > 20 && headers > 5);
});

test.run();
