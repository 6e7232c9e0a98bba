/**
 * `fw-admin`: who administers a firewall and who comes in by VPN is told, all else is counted, and a name that a client
 * chose cannot pass for what the firewall knows.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { ledgerAddsUp, type RunOptions, type RunResult, runFilter, stream } from '../../test/filter.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const VPN_LOG = join(ROOT, '../shared/corpus/firewall/crowdsec/fortinet-vpn-bf/fortinet-vpn-bf.log');

function run(input: readonly string[] | Uint8Array, options?: RunOptions): RunResult {
  const result = runFilter('fw-admin', input, options);
  assert.ok(ledgerAddsUp(result));
  return result;
}

/** The only record that a line gives. */
function recordOf(line: string, options?: RunOptions): WireRecord {
  const { records } = run([line], options);
  assert.is(records.length, 1, line);
  return records[0] as WireRecord;
}

const FORTI = 'date=2026-01-31 time=10:00:00 devname="fg" type="event" subtype=';
const SFOS = 'device="SFW" date=2026-01-31 time=10:00:00 device_name="xg" log_type="Event" log_component=';

test('of the sample the intrusion is told, and the traffic around it counted', () => {
  const result = run(readFileSync(join(ROOT, 'filters/fw-admin/samples/intrusion.log')));
  assert.equal(
    stream(result, 'admin').map(({ kind, outcome, device, user }) => [kind, outcome, device, user]),
    [
      ['login', 'failure', 'fg-01', 'admin'],
      ['login', 'success', 'fg-01', 'admin'],
      ['change', undefined, 'fg-01', 'admin'],
      ['login', 'success', 'SFW', 'admin'],
      ['change', 'success', 'xg-02', 'admin'],
    ],
  );
  assert.equal(
    stream(result, 'vpn').map(({ outcome, user, src_ip }) => [outcome, user, src_ip]),
    [
      ['failure', 'x" user="root', '198.51.100.66'],
      ['failure', 'eve', '198.51.100.66'],
    ],
  );
  assert.equal(stream(result, 'counts'), [
    {
      ts: Date.parse('2026-01-31T10:00:00Z'),
      window_ms: 60_000,
      type: 'traffic',
      subtype: 'forward',
      count: 2,
    },
  ]);
});

test('a record has what the log says and nothing that it does not say', () => {
  assert.equal(
    recordOf(
      `${FORTI}"system" user="bob" ui="ssh(192.0.2.7)" srcip=192.0.2.7 action="logout" status="success" msg="out"`,
    ),
    {
      stream: 'admin',
      ts: Date.parse('2026-01-31T10:00:00Z'),
      kind: 'logout',
      outcome: 'success',
      device: 'fg',
      user: 'bob',
      src_ip: '192.0.2.7',
      via: 'ssh(192.0.2.7)',
      action: 'logout',
      message: 'out',
    },
  );
  assert.equal(recordOf(`${FORTI}vpn user="" action="tunnel-up"`), {
    stream: 'vpn',
    ts: Date.parse('2026-01-31T10:00:00Z'),
    device: 'fg',
    action: 'tunnel-up',
  });
});

test('the time is an instant, or a date and a clock with their offset or in the configured zone', () => {
  const at = (line: string, timezone = 'UTC') => recordOf(`${line} type=event subtype=vpn`, { timezone }).ts;
  const expected = Date.parse('2026-01-31T10:00:00Z');
  assert.is(at('eventtime=1769853600'), expected);
  assert.is(at('eventtime=1769853600000'), expected);
  assert.is(at('eventtime=1769853600000000000'), expected);
  assert.is(at('timestamp="2026-01-31T15:30:00+0530"'), expected);
  assert.is(at('date=2026-01-31 time=03:00:00 tz="-0700"'), expected);
  assert.is(at('date=2026-01-31 time=11:00:00', 'Europe/Berlin'), expected);
  assert.is(at('date=2026-01-31 time=11:00:00 tz="junk"'), Date.parse('2026-01-31T12:00:00Z'));
  assert.is(at('date=2026-02-30 time=11:00:00'), Date.parse('2026-01-31T12:00:00Z'));
});

test('a name that a client chose is a name, whatever it says', () => {
  const forged = recordOf(
    `${FORTI}"vpn" action="ssl-login-fail" remip=203.0.113.9 user="a\\" remip=10.0.0.1 subtype=\\"system"`,
  );
  assert.is(forged.src_ip, '203.0.113.9');
  assert.is(forged.user, 'a" remip=10.0.0.1 subtype="system');
  const said = 'User eve logged in successfully failed to login to Web Admin Console';
  const failed = recordOf(
    `${SFOS}"GUI" log_subtype="Admin" user_name="eve logged in successfully" message="${said}"`,
  );
  assert.is(failed.outcome, 'failure');
});

test('Sophos: administrators and VPN are told, other authentications counted', () => {
  const kindOf = (rest: string) => recordOf(`${SFOS}${rest}`);
  assert.is(
    kindOf('"CLI" log_subtype="Admin" status="Failed" message="User admin failed to login to CLI"').kind,
    'login',
  );
  assert.is(
    kindOf('"GUI" log_subtype="Admin" status="Successful" message="User admin logged out"').kind,
    'logout',
  );
  assert.is(
    kindOf('"GUI" log_subtype="Admin" status="Successful" message="Rule was updated"').kind,
    'change',
  );
  assert.is(
    kindOf('"VPN Portal Authentication" log_subtype="Authentication" status="Successful"').outcome,
    'success',
  );
  assert.is(
    kindOf('"Firewall Authentication" log_subtype="Authentication" status="Failed"').stream,
    'counts',
  );
});

test('a line without a type is malformed, and types past the table are counted together', () => {
  const { ledger } = run(['junk', 'a=b', 'type=', `${FORTI}"system"`]);
  assert.is(ledger.malformed, 2);
  const many = Array.from({ length: 1_100 }, (_, at) => `${FORTI}"s${at}"`);
  const counts = stream(run(many), 'counts');
  assert.is(counts.length, 1_025);
  assert.equal(counts.at(-1), { ts: counts[0]?.ts, window_ms: 60_000, overflow: true, count: 76 });
});

test('the VPN log of the corpus gives a refused login for each line, with its address', () => {
  if (!existsSync(VPN_LOG)) return console.log(`note: skipped, there is no ${VPN_LOG}`);
  const result = run(readFileSync(VPN_LOG));
  const vpn = stream(result, 'vpn');
  assert.is(vpn.length, result.ledger.in);
  assert.ok(
    vpn.every(({ outcome, src_ip, user }) => outcome === 'failure' && src_ip === '192.168.0.1' && user),
  );
});

test.run();
