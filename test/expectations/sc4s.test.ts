/**
 * The messages of network products that Splunk Connect for Syslog (sc4s) is tested with, where that corpus lies beside
 * this folder: the header of each gives its time and its host, and the reader for its format finds it well-formed.
 *
 * The corpus was made with a clock that stands at 2026-08-17T12:34:56.789 and host names of a fixed shape, so both are
 * known of every message. What is read differently, and why, is in `DIFFERENT`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runFilter } from '../filter.js';
import { buildTestFilter, ROOT } from '../runtime/testfilter.js';
import { type Reading, readAll } from './readings.js';

const FOLDER = join(ROOT, '../shared/corpus/firewall/sc4s');
const NOW = '2026-08-17T12:35:00Z';
const CLOCK = /^-08-17T12:34:5[67]/;
/** Where a header may stand. */
const HEADER_BYTES = 80;

interface Message {
  readonly product: string;
  readonly sourcetype: string;
  readonly line: string;
}

const NO_DATE = 'a header without a date is none (RFC 3164, section 4.1): the first word may be anything';

/** Messages of which something is read differently, and why. */
const DIFFERENT: readonly { readonly line: RegExp; readonly reason: string }[] = [
  {
    line: /^<\d+>1? ?\d{10}\.\d+ /,
    reason: "Meraki's date is a number: not a header of syslog",
  },
  { line: /^<6>kernel: |^<\d+>(fenotify-\d+\.warning|cef\[\d+\]): /, reason: NO_DATE },
  { line: /^<29> (printer|scanner): |^<6> CEF:|^<27>\[Login Failed\]: /, reason: NO_DATE },
  { line: /^<\d+>(TEST-SPECNTP-HOST-\w+|PAM-tacplus\[\d+\]|apache2): /, reason: NO_DATE },
  { line: /^<134>\{/, reason: NO_DATE },
  { line: /^<166>\d+ \d+: %/, reason: 'numbers without a colon are no uptime that Cisco documents' },
  {
    line: /^(<\d+>)?\d{4}-\d\d-\d\d [\d:]{8}[,\t]/,
    reason:
      'a date with a space in it is none of syslog (RFC 3339, as RFC 5424 and rsyslog write it, has a T)',
  },
  {
    line: / wrong_host Aug 17 /,
    reason: 'a header inside of a message is text: whoever writes the message could forge it',
  },
  { line: /^<111>Aug 17 12:34:56[a-z]/, reason: 'malformed: nothing stands between the time and the host' },
  {
    line: /\[nm_MobilityAnalyticsAppData@11912 /,
    reason: 'malformed: its SD-ID has 33 bytes, RFC 5424, section 6.3.2, allows 32',
  },
  {
    line: /^683 <14>/,
    reason: 'the octet count is taken away by the source that reads TCP, not by the reader of lines',
  },
];

function readMessages(): Message[] {
  return readdirSync(FOLDER).flatMap((file) =>
    readFileSync(join(FOLDER, file), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { sourcetype: string; message: string })
      .map(({ sourcetype, message }) => ({
        product: file.replace('.jsonl', ''),
        sourcetype,
        // As an inbox writes newlines inside of a message.
        line: message.replace(/\n+$/, '').replaceAll('\n', '#012'),
      })),
  );
}

/** The host's made-up name, where one stands in the header as a word. */
function hostOf(line: string): string | undefined {
  const name = /(?:^|[ >])((?:[\w./-]*host|[\w]+)-[a-h][a-z0-9]{4}(?:-[a-h][a-z0-9]{4})?)(?=[ :])/;
  return name.exec(line.slice(0, HEADER_BYTES))?.[1];
}

/** What is wrong with the reading of a message; nothing when all is well. */
function faultOf({ line, syslog, pairs, columns, json, cef }: Reading): string | undefined {
  const hasHeader = /^(\d+ )?<\d+>|^([A-Z][a-z]{2} |\d{4}-\d\d-)/.test(line);
  const isPairs = /^(\d+ )?(<\d+>)?date=/.test(line);
  if (hasHeader && !isPairs) {
    if (!syslog.valid) return 'no header';
    const host = hostOf(line);
    if (host !== undefined && syslog.host !== host) return `host ${syslog.host}, not ${host}`;
    const isClock = /12:34:5[67]/.test(line.slice(0, 60));
    const year = line.includes(' 2020 Aug 17') ? '2020' : '2026';
    const time = new Date(Number(syslog.time ?? 0)).toISOString();
    if (isClock && !(time.startsWith(year) && CLOCK.test(time.slice(4)))) return `time ${time}`;
  }
  if (/(^|[ >:])CEF:/.test(line)) return cef._version === undefined ? 'no CEF' : undefined;
  const body = String(syslog.message ?? line.replace(/^<\d+>/, ''));
  if (body.startsWith('{')) return json.valid ? undefined : 'no JSON';
  if (/^time=\d+\|/.test(body)) return Number(columns.size) > 5 ? undefined : 'no columns';
  if (/^(\d+ <\d+>)?date=/.test(body)) return pairs.devname === undefined ? 'no pairs' : undefined;
  return undefined;
}

test('messages of network products give their time, their host and what they hold', async () => {
  if (!existsSync(FOLDER)) return void console.log(`\nnote: skipped, there are no messages in ${FOLDER}`);
  const messages = readMessages();
  const wanted = { pairs: ['devname', 'devid', 'log_id'], cef: ['src'], audit: [], json: [], separator: '|' };
  const readings = await readAll(
    messages.map(({ line }) => line),
    wanted,
    NOW,
  );
  const products = new Map<string, { read: number; all: number }>();
  const different = new Map<string, number>();
  const wrong: string[] = [];
  messages.forEach(({ product, sourcetype, line }, at) => {
    const counts = products.get(product) ?? { read: 0, all: 0 };
    products.set(product, counts);
    counts.all++;
    const fault = faultOf(readings[at] as Reading);
    const known = DIFFERENT.find((entry) => entry.line.test(line));
    if (fault === undefined && known === undefined) counts.read++;
    else if (fault !== undefined && known !== undefined)
      different.set(known.reason, (different.get(known.reason) ?? 0) + 1);
    else wrong.push(`${fault ?? 'is read, and listed'}: ${product} ${sourcetype}: ${line.slice(0, 160)}`);
  });
  const sum = (of: 'read' | 'all') => [...products.values()].reduce((total, counts) => total + counts[of], 0);
  const whole = [...products.values()].filter(({ read, all }) => read === all).length;
  const differing = [...different.values()].reduce((total, count) => total + count, 0);
  console.log(
    `\nnote: sc4s: ${sum('read')} of ${sum('all')} messages are read, ${differing} differently; all of ${whole} of ${products.size} products`,
  );
  for (const [product, { read, all }] of products)
    if (read < all) console.log(`note: ${product}: ${read} of ${all}`);
  for (const [reason, count] of different) console.log(`note: differs: ${count}: ${reason}`);
  assert.equal(wrong, []);
  const stale = DIFFERENT.filter(({ line }) => !messages.some((message) => line.test(message.line)));
  assert.equal(stale, []);
});

test('times of CEF are read, in each form that its senders have', async () => {
  if (!existsSync(FOLDER)) return void console.log(`note: skipped, there are no messages in ${FOLDER}`);
  const lines = readMessages().map(({ line }) => line);
  const wanted = { pairs: [], cef: ['rt', 'start', 'end'], audit: [], json: [], separator: '|' };
  const readings = await readAll(lines, wanted, NOW);
  const texts = readings
    .flatMap(({ cef }) => [cef.rt, cef.start, cef.end])
    .filter((text): text is string => typeof text === 'string' && text !== '');
  const filter = await buildTestFilter('text-tools');
  try {
    const { records } = filter.run(
      texts.map((text) => `${String(text.length).padStart(2, '0')}${text}`),
      { now: NOW, config: { tool: 'logtime', needles: [] } },
    );
    const clock = Date.parse('2026-08-17T12:34:56Z');
    const unit = (text: string) => (text.includes('.') ? 1_000 : 1);
    const expected = texts.map((text) => (/^[\d.]+$/.test(text) ? Number(text) * unit(text) : clock));
    assert.equal(
      records.map(({ result }) => result),
      expected,
    );
  } finally {
    await filter.remove();
  }
  assert.ok(texts.length > 0);
  console.log(`\nnote: sc4s: ${texts.length} of ${texts.length} times of CEF agree`);
});

test('fw-admin knows every message of FortiGate and FortiWeb, and tells administration alone', () => {
  if (!existsSync(FOLDER)) return void console.log(`note: skipped, there are no messages in ${FOLDER}`);
  const lines = readMessages()
    .filter(({ sourcetype }) => /^(fgt|fwb)_/.test(sourcetype))
    .map(({ line }) => line);
  const { records, ledger } = runFilter('fw-admin', lines, { now: NOW });
  assert.is(ledger.malformed, 0);
  const isAdmin = (line: string) =>
    /subtype="?vpn/.test(line) ||
    (/subtype="?system/.test(line) && /cfgpath=|action="?log(in|out)/.test(line));
  const told = records.filter(({ stream }) => stream !== 'counts').length;
  const count = (sum: number, record: { readonly count?: unknown }) => sum + Number(record.count ?? 0);
  assert.ok(records.some(({ kind, outcome }) => kind === 'login' && outcome === 'success'));
  assert.is(told, lines.filter(isAdmin).length);
  assert.is(records.filter(({ stream }) => stream === 'counts').reduce(count, 0), lines.length - told);
  console.log(`note: fw-admin: ${told} of ${lines.length} messages of Fortinet are told, the others counted`);
});

test.run();
