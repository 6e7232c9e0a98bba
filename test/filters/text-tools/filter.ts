// For tests: each line goes through the tool that the config names, and its answer is told. "needles" are texts that
// the tool is made of; "select" are literals for the prefilter.
import {
  CidrSet,
  Glob,
  NO_NUMBER,
  Patterns,
  Stream,
  Text,
  config,
  events,
  isAddress,
  key,
  literal,
  parseDecimal,
  parseFixed,
  parseHex,
  parseLogTime,
  parseTime,
  receivedAt,
  select,
  selectText,
} from 'weir/runtime';

const settings = config().only(['tool', 'needles', 'select', 'quiet']);
const tool = settings.get('tool').text();
const list = settings.get('needles');
const needles = new StaticArray<Text>(list.size());
for (let i = 0; i < needles.length; i++) needles[i] = list.item(i).text();
const literals = settings.get('select');
for (let i = 0; i < literals.size(); i++) selectText(literals.item(i).text());
select([]);
/** Tells nothing: for measurements. */
const isQuiet = settings.has('quiet');

const found = new Stream('found');
const RESULT = key('result');
const LINE = key('line');
const COUNT = key('count');

const NOCASE = literal('nocase');
const GLOB = literal('glob');
const GLOB_NOCASE = literal('glob-nocase');
const FIRST = literal('first');
const EACH = literal('each');
const CIDR = literal('cidr');
const ADDRESS = literal('address');
const DECIMAL = literal('decimal');
const HEX = literal('hex');
const FIXED = literal('fixed');
const TIME = literal('time');
const LOG_TIME = literal('logtime');
const isTime = tool.equals(TIME) || tool.equals(LOG_TIME);
/** Of a line that begins with two digits, so many bytes behind them: others follow. */
const part = new Text();
/** Numbers with a fraction: how many digits of it, the least and the most. */
const fraction = new StaticArray<i64>(tool.equals(FIXED) ? needles.length : 0);
for (let i = 0; i < fraction.length; i++)
  fraction[i] = parseDecimal(needles[i], i64.MIN_VALUE + 1, i64.MAX_VALUE);
const isNoCase = tool.equals(GLOB_NOCASE);
const globs = new StaticArray<Glob | null>(tool.equals(GLOB) || isNoCase ? needles.length : 0);
for (let i = 0; i < globs.length; i++) globs[i] = new Glob(needles[i], isNoCase);
const patterns: Patterns | null = tool.equals(FIRST) || tool.equals(EACH) ? new Patterns(needles) : null;
const cidrs: CidrSet | null = tool.equals(CIDR) ? CidrSet.from(list) : null;

/** An order-dependent sum of all occurrences. */
let sum: i64 = 0;
let occurrences: i64 = 0;

events((line: Text): void => {
  if (isQuiet) {
    answer(line);
    return;
  }
  found.open(receivedAt());
  occurrences = 0;
  const result = answer(line);
  // In halves, because JavaScript's numbers have 53 bits.
  if (tool.equals(FIXED) && result !== NO_NUMBER)
    found.int(RESULT, result >> 32).int(COUNT, result & 0xffffffff);
  if (!tool.equals(FIXED) && result !== NO_NUMBER) found.int(RESULT, result); // also NO_TIME
  if (tool.isEmpty()) found.text(LINE, line);
  if (tool.equals(EACH)) found.int(COUNT, occurrences);
  found.close();
});

function answer(line: Text): i64 {
  let bits: i64 = 0;
  if (tool.equals(NOCASE)) {
    for (let i = 0; i < needles.length; i++) {
      const needle = needles[i];
      const one =
        (line.equalsNoCase(needle) ? 1 : 0) |
        (line.startsWithNoCase(needle) ? 2 : 0) |
        (line.endsWithNoCase(needle) ? 4 : 0) |
        (line.containsNoCase(needle) ? 8 : 0);
      bits |= (<i64>one) << (4 * i);
    }
    return bits;
  }
  if (globs.length) {
    for (let i = 0; i < globs.length; i++) if (globs[i]!.matches(line)) bits |= (<i64>1) << i;
    return bits;
  }
  if (tool.equals(FIRST)) return patterns!.first(line);
  if (tool.equals(EACH)) {
    sum = 0;
    patterns!.each(line, (index: u32, start: u32): void => {
      occurrences++;
      sum = (sum * 31 + <i64>index * 65_537 + start) % 1_000_000_007;
    });
    return sum;
  }
  if (tool.equals(CIDR)) return i64(cidrs!.has(line));
  if (tool.equals(ADDRESS)) return i64(isAddress(line));
  if (isTime) {
    part.set(line.start, line.end);
    const bytes = <usize>part.takeNumber(2);
    part.set(part.start, part.start + bytes);
    return tool.equals(TIME) ? parseTime(part) : parseLogTime(part);
  }
  if (tool.equals(FIXED)) return parseFixed(line, <i32>fraction[0], fraction[1], fraction[2]);
  const number = tool.equals(DECIMAL)
    ? parseDecimal(line, -1_000_000, i64.MAX_VALUE)
    : tool.equals(HEX)
      ? parseHex(line, i64.MAX_VALUE)
      : 0;
  return number === NO_NUMBER ? -9_999_999 : number;
}
