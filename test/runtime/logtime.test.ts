/**
 * Times of all forms against a reading by regular expressions and the time zones of Node, on generated texts, each with
 * bytes behind it that would change it.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { seeded } from '../filter.js';
import { type Below, many } from './reference.js';
import { buildTestFilter, type TestFilter } from './testfilter.js';

const SEED = 20_260_207;
const DAY_MS = 86_400_000;
/** Where filters know the changes of a zone. */
const ZONES_FROM = Date.UTC(1985, 0, 1);
const ZONES_TO = Date.UTC(2060, 0, 1);
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const CLOCK = String.raw`(\d\d):(\d\d):(\d\d)`;
const DATE = new RegExp(
  String.raw`^(?:(\d{4}) )?([A-Z][a-z]{2})(?: {1,2}(\d)| (\d\d)) (?:(\d{4}) )?${CLOCK}(\.\d*)?(?: (20\d\d)(?= ))?(?: ?(.+))?$`,
);
const RFC_3339 = new RegExp(String.raw`^(\d{4})-(\d\d)-(\d\d)[T ]${CLOCK}(\.\d{1,9})?(Z|[-+].*)?$`);

let filter: TestFilter;
test.before(async () => {
  console.log(`note: seed ${SEED}`);
  filter = await buildTestFilter('text-tools');
});
test.after(() => filter.remove());

/** What stands behind a text changes nothing. */
const BEHIND = ['', 'Z', '0', ' 2024 UTC', '+01:00', '.5'];

interface Place {
  readonly now: string;
  readonly timezone: string;
}
const UTC: Place = { now: '2026-01-31T12:00:00Z', timezone: 'UTC' };

function answers(
  texts: readonly string[],
  { now, timezone }: Place,
  tool = 'logtime',
): (number | undefined)[] {
  const lines = texts.flatMap((text) =>
    BEHIND.map((behind) => `${String(text.length).padStart(2, '0')}${text}${behind}`),
  );
  const { records } = filter.run(lines, {
    now,
    timezone,
    config: { tool, needles: [] },
    batchBytes: 1 << 20,
  });
  assert.is(records.length, lines.length);
  return texts.map((text, at) => {
    const [first, ...others] = records.slice(at * BEHIND.length, (at + 1) * BEHIND.length);
    for (const other of others) assert.is(other.result, first?.result, `${text} with others behind it`);
    return first?.result as number | undefined;
  });
}

const iso = (texts: readonly string[], place: Place, tool?: string) =>
  answers(texts, place, tool).map((ms) => (ms === undefined ? undefined : new Date(ms).toISOString()));

/** Local time minus UTC, by the zone's wall clock. */
function offsetAt(ms: number, clock: Intl.DateTimeFormat): number {
  const part = Object.fromEntries(clock.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1_000) * 1_000;
}

/** The earlier of two instants; where clocks were set forward over the time, by the offset before. */
function localToUtc(local: number, clock: Intl.DateTimeFormat): number {
  const before = offsetAt(local - DAY_MS, clock);
  const found = [before, offsetAt(local + DAY_MS, clock)].map((offset) => local - offset);
  const real = found.filter((ms) => offsetAt(ms, clock) === local - ms);
  return real.length > 0 ? Math.min(...real) : local - before;
}

const clockOf = (timeZone: string) =>
  new Intl.DateTimeFormat('en', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });

/** Minutes of a zone, `null` without one; undefined for what is none. */
function zoneOf(text: string | undefined): number | null | undefined {
  if (text === undefined) return null;
  if (/^(Z|UTC|GMT)$/.test(text)) return 0;
  const found = /^(?:UTC|GMT)?([-+])(\d\d):?(\d\d)$/.exec(text);
  if (found === null || Number(found[2]) > 23 || Number(found[3]) > 59) return undefined;
  return (found[1] === '-' ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3]));
}

/** The instant of a date, or undefined for one that is none. */
function instant(
  [year, month, day]: readonly [number, number, number],
  [hour, minute, second, fraction]: readonly (string | undefined)[],
  zone: number | null,
  clock: Intl.DateTimeFormat,
): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const whole = date.getTime() + ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000;
  const utc = zone === null ? localToUtc(whole, clock) : whole - zone * 60_000;
  if (Number(second) === 60 && (utc < 0 || utc % DAY_MS !== 0)) return undefined;
  return utc + Number((fraction ?? '').slice(1, 4).padEnd(3, '0'));
}

function epoch(text: string): number | undefined {
  const found = /^(\d{1,19})(\.\d*)?$/.exec(text);
  if (found === null) return undefined;
  const whole = BigInt(found[1] as string);
  if (whole >= 2n ** 63n) return undefined;
  if (whole >= 10n ** 17n) return Number(whole / 1_000_000n);
  if (whole >= 10n ** 14n) return Number(whole / 1_000n);
  if (whole >= 10n ** 11n) return Number(whole);
  return Number(whole) * 1_000 + Number((found[2] ?? '').slice(1, 4).padEnd(3, '0'));
}

/** What `parseLogTime` says. */
function logTime(text: string, now: number, clock: Intl.DateTimeFormat): number | undefined {
  const modern = RFC_3339.exec(text);
  if (modern) {
    const zone = zoneOf(modern[8]);
    const date = [Number(modern[1]), Number(modern[2]), Number(modern[3])] as const;
    return zone === undefined ? undefined : instant(date, modern.slice(4, 8), zone, clock);
  }
  const found = DATE.exec(text);
  if (found === null) return epoch(text);
  const [, first, name = '', digit, digits, second, hour, minute, seconds, fraction, last, behind] = found;
  const zone = zoneOf(behind);
  if (zone === undefined || (first !== undefined && second !== undefined)) return undefined;
  if ((first ?? second) !== undefined && last !== undefined) return undefined;
  const at = (year: number) => {
    const date = [year, MONTHS.indexOf(name) + 1, Number(digit ?? digits)] as const;
    return instant(date, [hour, minute, seconds, fraction], zone, clock);
  };
  const year = first ?? second ?? last;
  if (year !== undefined) return at(Number(year));
  const latest = new Date(now).getUTCFullYear() + 1;
  return many(12, (ago) => at(latest - ago)).find((ms) => ms !== undefined && ms <= now + DAY_MS);
}

/** A date of any form; now and then not quite one. */
function randomTime(below: Below): string {
  const pair = (most: number) => String(below(12) ? below(most) : most).padStart(2, '0');
  const clock = below(12) ? `${pair(24)}:${pair(60)}:${pair(60)}` : ['23:59:60', '05:29:60'][below(2)];
  const fraction = below(2) ? '' : `.${many(1 + below(10), () => below(10)).join('')}`;
  const offset = `${'-+'[below(2)]}${pair(24)}${below(2) ? ':' : ''}${pair(60)}`;
  const zones = ['', 'Z', 'UTC', 'GMT', offset, offset, `GMT${offset}`, '+05:30', 'PST', 'CET', 'UT'];
  const zone = zones[below(zones.length)] as string;
  const year = below(9) ? 1990 + below(60) : below(10_000);
  if (below(4) === 0) {
    const date = `${String(year).padStart(4, '0')}-${pair(12)}-${pair(31)}`;
    return `${date}${'T '[below(2)]}${clock}${fraction}${below(9) ? zone.replace(/^\w{2,}$/, 'Z') : zone}`;
  }
  if (below(12) === 0) return `${'1769853600000000000'.slice(0, 1 + below(19))}${fraction}`;
  const number = 1 + below(31);
  const day = number < 10 ? `${['', ' ', '0'][below(3)]}${number}` : number;
  const date = `${MONTHS[below(12)]} ${day}`;
  const behind = zone === '' || below(5) === 0 ? zone : ` ${zone}`;
  const text = String(year).padStart(4, '0');
  const forms = [`${date} `, `${date} `, `${date} ${text} `, `${text} ${date} `];
  return `${forms[below(4)]}${clock}${fraction}${below(9) ? '' : ` ${text}`}${behind}`;
}

for (const [now, timezone] of [
  ['2026-01-01T00:30:00Z', 'UTC'],
  ['2025-12-31T23:50:00Z', 'Europe/Berlin'],
  ['2026-03-08T10:00:00Z', 'America/New_York'],
  ['2024-02-29T22:00:00Z', 'Asia/Kathmandu'],
] as const) {
  test(`a time of any form is what a plain reading says, in ${timezone}, whatever stands behind it`, () => {
    const below = seeded(SEED);
    const clock = clockOf(timezone);
    const texts = many(4_000, () => {
      const text = randomTime(below);
      if (below(4)) return text;
      const at = below(text.length + 1);
      return `${text.slice(0, at)}${' 0:.Z+-9a'[below(9)]}${text.slice(at + below(2))}`;
    });
    const found = answers(texts, { now, timezone });
    const expected = texts.map((text) => logTime(text, Date.parse(now), clock));
    const isKnown = (ms = Date.parse(now)) => ms > ZONES_FROM && ms < ZONES_TO;
    for (const [at, text] of texts.entries())
      if (timezone === 'UTC' || isKnown(expected[at])) assert.is(found[at], expected[at], `"${text}"`);
    const read = expected.filter((one) => one !== undefined).length;
    assert.ok(read > 1_500 && read < 3_500, `${read} times`);
  });
}

test('dates of syslog and of CEF are read', () => {
  const noon = '2026-01-31T10:00:00.000Z';
  const same = ['Jan 31 10:00:00', 'Jan 31 2026 10:00:00', '2026 Jan 31 10:00:00 Z', 'Jan 31 10:00:00 UTC'];
  same.push('Jan 31 2026 11:00:00 +0100', 'Jan 31 04:30:00 GMT-05:30', 'Jan 31 10:00:00 2026 GMT');
  same.push('2026-01-31T10:00:00Z', '1769853600', '1769853600000');
  assert.equal(
    iso(same, UTC),
    same.map(() => noon),
  );
  assert.equal(iso(['Jan  2 2026 10:00:00.1234', 'Jan 2 10:00:00.5 UTC'], UTC), [
    '2026-01-02T10:00:00.123Z',
    '2026-01-02T10:00:00.500Z',
  ]);
  const none = ['Jan 31 10:00:00 PST', 'Jan 31 2026 10:00:00 CET', 'Jan 32 10:00:00', 'Feb 30 2026 10:00:00'];
  none.push('Jan 31 10:00', 'jan 31 10:00:00', 'Jan 31 10:00:00 ', 'Jan 31 10:00:00 UTC x', '');
  assert.equal(
    iso(none, UTC),
    none.map(() => undefined),
  );
});

test('a leap second is the second after 23:59:59 UTC, and nowhere else', () => {
  const leaps = ['2016-12-31T23:59:60Z', '2016-12-31T15:59:60.5-08:00', '2017-01-01 00:59:60'];
  const berlin = { now: '2017-01-01T12:00:00Z', timezone: 'Europe/Berlin' };
  const after = ['2017-01-01T00:00:00.000Z', '2017-01-01T00:00:00.500Z', '2017-01-01T00:00:00.000Z'];
  const none = [
    '2016-12-31T23:58:60Z',
    '2016-12-31T23:59:60',
    '2016-12-31T23:59:61Z',
    '2016-12-31T23:59:60+01:00',
  ];
  for (const tool of ['time', 'logtime'])
    assert.equal(iso([...leaps, ...none], berlin, tool), [...after, ...none.map(() => undefined)]);
  const dates = ['Dec 31 23:59:60 UTC', 'Jan 1 2017 05:29:60 +0530', 'Jan  1 00:59:60', 'Jan  1 00:58:60'];
  assert.equal(iso(dates, berlin), [after[0], after[0], after[0], undefined]);
});

test.run();
