/**
 * Times, zones and addresses, as filters read them.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildFieldsFilter, type FieldsFilter } from './fields.js';

const DAY_MS = 86_400_000;

let filter: FieldsFilter;
test.before(async () => {
  filter = await buildFieldsFilter();
});
test.after(() => filter.remove());

test('a time without a year is the latest one that is not more than a day ahead', () => {
  const year = (line: string, now: string, timezone = 'UTC') =>
    new Date(filter.readOne(`${line} h p: m`, { now, timezone }).time as number).toISOString();
  assert.is(year('Dec 31 23:59:59', '2026-01-01T00:30:00Z'), '2025-12-31T23:59:59.000Z');
  assert.is(year('Jan  2 00:30:00', '2026-01-01T00:30:00Z'), '2026-01-02T00:30:00.000Z');
  assert.is(year('Jan  2 00:30:01', '2026-01-01T00:30:00Z'), '2025-01-02T00:30:01.000Z');
  assert.is(year('Jan  1 00:10:00', '2025-12-31T23:50:00Z'), '2026-01-01T00:10:00.000Z');
  assert.is(year('Feb 29 12:00:00', '2026-01-01T00:30:00Z'), '2024-02-29T12:00:00.000Z');
  assert.is(year('Feb 29 12:00:00', '2103-01-01T00:00:00Z'), '2096-02-29T12:00:00.000Z');
  // Local time is in the next year before UTC is.
  assert.is(
    year('Jan  1 13:00:00', '2025-12-30T23:30:00Z', 'Pacific/Kiritimati'),
    '2025-12-31T23:00:00.000Z',
  );
});

/** What `parseTime` makes of the texts, as ISO times. */
function times(texts: readonly string[], timezone = 'UTC'): (string | undefined)[] {
  return filter
    .read(
      texts.map((text) => `Jan  5 17:32:18: ${text}`),
      { timezone },
    )
    .map(({ message_time: time }) =>
      time === undefined ? undefined : new Date(time as number).toISOString(),
    );
}

test('local times are turned to UTC by the zone: the earlier of two, and forward over a gap', () => {
  assert.equal(
    times(
      [
        '2026-01-15 12:00:00',
        '2026-07-15T12:00:00',
        '2026-03-29 01:59:59',
        '2026-03-29 02:30:00',
        '2026-03-29 03:00:00',
        '2026-10-25 01:59:59',
        '2026-10-25 02:30:00',
        '2026-10-25 03:00:00',
        '2026-07-15T12:00:00Z',
        '1969-12-31 23:00:00',
      ],
      'Europe/Berlin',
    ),
    [
      '2026-01-15T11:00:00.000Z',
      '2026-07-15T10:00:00.000Z',
      '2026-03-29T00:59:59.000Z',
      '2026-03-29T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-10-24T23:59:59.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T02:00:00.000Z',
      '2026-07-15T12:00:00.000Z',
      '1969-12-31T22:00:00.000Z',
    ],
  );
  assert.is(
    filter.readOne('Jul 15 12:00:00 h p: m', { timezone: 'America/New_York' }).time,
    Date.parse('2025-07-15T16:00:00Z'),
  );
});

test('every day of four hundred years is counted as the calendar does', () => {
  const days: number[] = [];
  for (let ms = Date.UTC(1800, 0, 1); ms < Date.UTC(2200, 0, 1); ms += DAY_MS) days.push(ms);
  const found = times(days.map((ms) => new Date(ms).toISOString()));
  assert.equal(
    found,
    days.map((ms) => new Date(ms).toISOString()),
  );
});

test('numbers are seconds, milliseconds, microseconds or nanoseconds by their size', () => {
  const instant = '2026-01-31T12:00:00.250Z';
  assert.equal(times(['1769860800.25', '1769860800250', '1769860800250999.9', '1769860800250999999']), [
    instant,
    instant,
    instant,
    instant,
  ]);
  assert.equal(times(['0', '1769860800.', '-5', '1e9', '12345678901234567890', '17698608OO', '']), [
    '1970-01-01T00:00:00.000Z',
    '2026-01-31T12:00:00.000Z',
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('general times take a space for the T and up to nine digits of a second', () => {
  assert.equal(
    times([
      '2026-01-31 12:00:00.123456789+01:00',
      '2026-01-31T12:00:00.1234567891Z',
      '2026-01-31_12:00:00Z',
      '2026-13-01T00:00:00Z',
    ]),
    ['2026-01-31T11:00:00.123Z', undefined, undefined, undefined],
  );
});

test('headers may have a leap second, RFC 5424, section 6.2.3.1, excepted', () => {
  const read = (line: string) => filter.readOne(line, { now: '2017-01-01T12:00:00Z' });
  for (const date of ['2016-12-31T23:59:60Z', 'Dec 31 23:59:60'])
    assert.is(read(`${date} h p: m`).time, Date.UTC(2017, 0, 1), date);
  assert.is(read('<34>1 2016-12-31T23:59:59Z h p - - - m').valid, true);
  assert.is(read('<34>1 2016-12-31T23:59:60Z h p - - - m').valid, false);
  assert.is(read('Dec 31 23:58:60 h p: m').valid, false);
});

test('a byte of a date or clock that is another one makes it none', () => {
  const time = '2026-01-31T12:34:56Z';
  assert.equal(times([time]), ['2026-01-31T12:34:56.000Z']);
  const others = [...time].flatMap((right, at) =>
    ['/', ':', ';', '-', '.', 'p', '\x10', 'é']
      .filter((wrong) => wrong !== right)
      .map((wrong) => `${time.slice(0, at)}${wrong}${time.slice(at + 1)}`),
  );
  const found = times(others);
  for (const [at, other] of others.entries()) assert.is(found[at], undefined, other);
});

test('numbers of any count of digits are read to the last one', () => {
  const digits = '1234567890123456789';
  for (let count = 1; count <= digits.length; count++) {
    const number = digits.slice(0, count);
    const ms = count > 17 ? 1e-6 : count > 14 ? 1e-3 : count > 11 ? 1 : 1_000;
    const [found] = times([number]);
    assert.is(Date.parse(found ?? ''), Math.floor(Number(number) * ms), number);
    for (let at = 0; at < count; at++) {
      const broken = `${number.slice(0, at)}x${number.slice(at + 1)}`;
      assert.equal(times([broken]), [undefined], broken);
    }
  }
});

test('addresses are told from names and from what only looks like them', () => {
  const isAddress = (host: string) => filter.readOne(`Jan  5 17:32:18 ${host} p: m`).host_is_address === true;
  const addresses = ['0.0.0.0', '255.255.255.255', '::', '::1', '1::', '2001:db8::8:800:200c:417a'];
  addresses.push(
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7::',
    '::ffff:192.0.2.1',
    '1:2:3:4:5:6:192.0.2.1',
    'fe80::1%eth0.5',
  );
  for (const address of addresses) assert.ok(isAddress(address), address);
  const others = [
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3.',
    '.1.2.3',
    '1.2.3.4%eth0',
    'host',
    '1',
    '12345::',
    ':',
  ];
  others.push(
    ':1',
    '1:',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::1::',

    '1::2::3',
    'g::',
    'fe80::1%',
    '1.2.3.4:5',
  );
  others.push(
    '00112233445566778899aabbccddeeff',
    'fe80::1%a/b',
    '::1.2.3',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1:2:3:4:5:6:7:8',
  );
  for (const other of others) assert.not.ok(isAddress(other), other);
});

test.run();
