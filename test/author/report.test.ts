/**
 * What `weir test` and `weir replay` tell for people, and for machines.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FilterReport } from '../../host/author/check.js';
import { junitXml, reportText, summaryText, sumText } from '../../host/author/report.js';
import { parseManifest } from '../../host/filter/manifest.js';
import { manifest } from './project.js';

test('the report of a test run is XML that holds any text', () => {
  const report: FilterReport = {
    filter: 'a',
    checks: [
      { name: 'good', problem: [], ms: 12 },
      { name: 'bad "<&>"', problem: ['- \u0000\u001b[31m\ud800', '+ ]]> \u{1f511}'], ms: 1_500 },
    ],
    notes: ['a note'],
    memoryBytes: 65_536,
    figures: {
      events: 1_000,
      records: 1,
      bytesIn: 5_000,
      bytesOut: 50,
      eventFuel: 45,
      turnFuel: 678,
      turnFuelMax: 12_000_000,
      eventNs: 123.4,
    },
  };
  assert.is(
    junitXml([report]),
    `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="weir test">
  <testsuite name="a" tests="2" failures="1" time="1.512">
    <testcase classname="a" name="good" time="0.012"/>
    <testcase classname="a" name="bad &quot;&lt;&amp;&gt;&quot;" time="1.500">
      <failure message="- \ufffd\ufffd[31m\ufffd">- \ufffd\ufffd[31m\ufffd\n+ ]]&gt; \u{1f511}</failure>
    </testcase>
    <system-out>1,000 events to 1 record; 5,000 to 50 bytes (100.0 to 1); 64 KiB of memory; 45 fuel an event, 678 of 12,000,000 in the dearest turn; 123 ns an event on this machine</system-out>
  </testsuite>
</testsuites>
`,
  );
  assert.is(
    reportText(report).split('\n').slice(-3).join('\n'),
    '  note a note\n  1,000 events to 1 record; 5,000 to 50 bytes (100.0 to 1); 64 KiB of memory; 45 fuel an event, 678 of 12,000,000 in the dearest turn; 123 ns an event on this machine\n',
  );
  assert.is(sumText([report]), '1 filter, 2 checks, 1 failed\n');
});

test('a summary tells nothing of an event where there was none', () => {
  const filter = parseManifest(JSON.parse(manifest('echo')), 'filter.json');
  const counts = { kept: 0, aggregated: 0, discarded: 0, malformed: 0, truncated: 0, late: 0, overflowed: 0 };
  const none = {
    events: 0,
    bytes: 0,
    streams: {},
    bytesOut: 0,
    compressedBytes: 0,
    ledger: { in: 0, ...counts },
  };
  assert.match(
    summaryText(filter, { ...none, seconds: 0.0091, fuel: 7_769 }),
    /\n +0 malformed\n +0 bytes out, 0 compressed \(nothing out\)\n +0\.009 seconds\n$/,
  );
  assert.match(
    summaryText(filter, { ...none, events: 2, seconds: 0.5, fuel: 100 }),
    /\n +50 fuel an event\n +0\.500 seconds, 4 events\/s\n$/,
  );
});

test.run();
