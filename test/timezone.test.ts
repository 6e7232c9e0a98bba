/**
 * The instants at which zones change their offset, against published ones and against wall clocks.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../host/errors.js';
import { instanceZones, instanceZonesBeside, isTimezone, zoneTransitions } from '../host/timezone.js';
import { seeded } from './filter.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Transitions of some years, as instants and hours. */
function told(timezone: string, from: string, to: string): readonly (readonly [string, number])[] {
  return zoneTransitions(timezone, Date.parse(from), Date.parse(to)).map(({ fromMs, offsetMs }) => [
    new Date(fromMs).toISOString().replace('.000', ''),
    offsetMs / HOUR_MS,
  ]);
}

test('Berlin changes on the last Sundays of March and October, at 01:00 UTC', () => {
  assert.equal(told('Europe/Berlin', '2017-01-01T00:00:00Z', '2018-01-01T00:00:00Z'), [
    ['2017-01-01T00:00:00Z', 1],
    ['2017-03-26T01:00:00Z', 2],
    ['2017-10-29T01:00:00Z', 1],
  ]);
});

test('New York changes at 02:00 of its own time', () => {
  assert.equal(told('America/New_York', '2024-01-01T00:00:00Z', '2025-01-01T00:00:00Z'), [
    ['2024-01-01T00:00:00Z', -5],
    ['2024-03-10T07:00:00Z', -4],
    ['2024-11-03T06:00:00Z', -5],
  ]);
});

test('Kolkata is five and a half hours ahead, always', () => {
  assert.equal(told('Asia/Kolkata', '1990-01-01T00:00:00Z', '2070-01-01T00:00:00Z'), [
    ['1990-01-01T00:00:00Z', 5.5],
  ]);
});

test('the summer time of Lord Howe is half an hour', () => {
  assert.equal(told('Australia/Lord_Howe', '2023-01-01T00:00:00Z', '2024-01-01T00:00:00Z'), [
    ['2023-01-01T00:00:00Z', 11],
    ['2023-04-01T15:00:00Z', 10.5],
    ['2023-09-30T15:30:00Z', 11],
  ]);
});

test('UTC has one entry, by each of its names', () => {
  for (const name of ['UTC', 'Etc/UTC', 'utc'])
    assert.equal(zoneTransitions(name, 0, 50 * 365 * DAY_MS), [{ fromMs: 0, offsetMs: 0 }]);
});

test('offsets with seconds are exact', () => {
  assert.equal(told('Africa/Monrovia', '1970-01-01T00:00:00Z', '1973-01-01T00:00:00Z'), [
    ['1970-01-01T00:00:00Z', -(44 + 30 / 60) / 60],
    ['1972-01-07T00:44:30Z', 0],
  ]);
});

test('a summer time of one week is found wherever the search begins', () => {
  for (let hours = 0; hours < 8 * 24; hours++) {
    const from = Date.parse('2000-09-01T00:00:00Z') + hours * HOUR_MS;
    const found = zoneTransitions('America/Boa_Vista', from, Date.parse('2001-01-01T00:00:00Z'));
    assert.equal(
      found.slice(1).map(({ fromMs }) => new Date(fromMs).toISOString()),
      ['2000-10-08T04:00:00.000Z', '2000-10-15T03:00:00.000Z'],
    );
  }
});

test('the range is kept: a change at its end is told, one after it is not', () => {
  const change = Date.parse('2017-03-26T01:00:00Z');
  const from = change - DAY_MS;
  assert.is(zoneTransitions('Europe/Berlin', from, change).length, 2);
  assert.is(zoneTransitions('Europe/Berlin', from, change - 1).length, 1);
  assert.equal(zoneTransitions('Europe/Berlin', change, change), [{ fromMs: change, offsetMs: 2 * HOUR_MS }]);
  assert.equal(zoneTransitions('Europe/Berlin', from + 0.5 + 123, change + 999), [
    { fromMs: from + 123.5, offsetMs: HOUR_MS },
    { fromMs: change, offsetMs: 2 * HOUR_MS },
  ]);
});

test('local times made from the transitions are those of a wall clock', () => {
  const seed = 42;
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  const [first, last] = [Date.UTC(1960, 0, 1), Date.UTC(2060, 0, 1)];
  for (const timezone of [
    'Europe/Berlin',
    'America/St_Johns',
    'Africa/Casablanca',
    'Pacific/Apia',
    'Asia/Kathmandu',
  ]) {
    const transitions = zoneTransitions(timezone, first, last);
    const clock = new Intl.DateTimeFormat('en-GB', {
      timeZone: timezone,
      dateStyle: 'short',
      timeStyle: 'medium',
    });
    const utc = new Intl.DateTimeFormat('en-GB', {
      timeZone: 'UTC',
      dateStyle: 'short',
      timeStyle: 'medium',
    });
    const near = transitions.slice(1).flatMap(({ fromMs }) => [fromMs - 1000, fromMs]);
    const anywhere = Array.from({ length: 500 }, () => first + random((last - first) / 1000) * 1000);
    for (const at of [...near, ...anywhere]) {
      const offsetMs = transitions.findLast(({ fromMs }) => fromMs <= at)?.offsetMs ?? Number.NaN;
      assert.is(utc.format(at + offsetMs), clock.format(at), `seed ${seed}: ${timezone} at ${at}`);
    }
  }
});

test('there are never more than 512 entries, and they only go forward', () => {
  const transitions = zoneTransitions('Europe/Berlin', 0, Date.UTC(2500, 0, 1));
  assert.is(transitions.length, 512);
  assert.ok(transitions.every(({ fromMs }, at) => at === 0 || fromMs > (transitions[at - 1]?.fromMs ?? 0)));
});

test('eighty years take less than 50 ms, and give the same every time', () => {
  const times: number[] = [];
  const results = new Set<string>();
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    results.add(JSON.stringify(zoneTransitions('Europe/Berlin', Date.UTC(1990, 0, 1), Date.UTC(2070, 0, 1))));
    times.push(performance.now() - start);
  }
  assert.is(results.size, 1);
  assert.ok(Math.min(...times) < 50, `took ${times}`);
});

test('looked through a few years at a time they are the same', async () => {
  for (const zone of [
    'UTC',
    'Europe/Berlin',
    'America/Sao_Paulo',
    'Africa/Casablanca',
    'Australia/Lord_Howe',
    'Asia/Kolkata',
  ])
    assert.equal(await instanceZonesBeside(zone, 'zone'), instanceZones(zone, 'zone'), zone);
});

test('only names of zones are zones', () => {
  for (const right of ['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires'])
    assert.ok(isTimezone(right), right);
  for (const wrong of [
    '',
    'Europe/Berln',
    '+01:00',
    '-0300',
    'local',
    'Europe/Berlin\n',
    'x'.repeat(10_000),
  ]) {
    assert.not(isTimezone(wrong), wrong);
  }
});

test('a zone that is none is refused by the name of its option', () => {
  try {
    instanceZones('Mars/Base\n', '--timezone');
    assert.unreachable();
  } catch (error) {
    assert.instance(error, WeirError);
    assert.is((error as WeirError).code, 'CONFIG_INVALID');
    assert.match(
      (error as WeirError).message,
      /^--timezone: expected a zone such as "Europe\/Berlin", found "Mars\/Base\\n" \(a string\); /,
    );
  }
  assert.is(instanceZones('UTC', '--timezone').length, 1);
});

test.run();
