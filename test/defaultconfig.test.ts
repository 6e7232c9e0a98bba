/**
 * What a host does without a config, on the machine on which it finds itself.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultConfig, machineFacts, type MachineFacts } from '../host/config.js';
import type { WeirError } from '../host/errors.js';
import { isTimezone } from '../host/timezone.js';
import { FACTS } from './configs.js';

test('without a config the logs that this user may read, syslog on loopback, /etc and processes are read', () => {
  const present = new Set(['/var/log/auth.log', '/var/log/syslog', '/etc/passwd', '/proc/self/stat']);
  const config = defaultConfig({ ...FACTS, canRead: (path) => present.has(path) });
  const syslog = { name: 'syslog', kind: 'syslog', udp: '127.0.0.1:5514', tcp: '127.0.0.1:5514' };
  const etc = { name: 'etc', kind: 'watch', roots: ['/etc'] };
  assert.equal(config.sources, [
    etc,
    { name: 'auth', kind: 'file', paths: ['/var/log/auth.log', '/var/log/syslog'] },
    syslog,
    { name: 'processes', kind: 'processes', everyMs: 2_000 },
  ]);
  assert.equal(
    config.filters.map(({ instance, from }) => [instance, from]),
    [
      ['ssh-auth', ['auth', 'syslog']],
      ['ssh-attempts', ['auth', 'syslog']],
      ['files', ['etc']],
      ['tripwire', ['auth', 'syslog']],
      ['processes', ['processes']],
    ],
  );
  assert.ok(config.filters.every(({ timezone }) => timezone === 'Europe/Berlin'));
  const { canRead, timezone } = machineFacts();
  assert.is(isTimezone(timezone), true);
  assert.is(canRead('/etc/passwd'), true);
  assert.is(canRead('/etc/passwd/nothing'), false);
  if (process.getuid?.() !== 0) assert.is(canRead('/etc/shadow'), false);
  const without = defaultConfig(FACTS);
  assert.equal(without.sources, [etc, syslog]);
  assert.equal(without.filters[0]?.from, ['syslog']);
});

test('the data folder and the appliance come from the machine', () => {
  const data = (facts: Partial<MachineFacts>) => defaultConfig({ ...FACTS, ...facts }).data;
  assert.is(data({ uid: 0 }), '/var/lib/weir');
  assert.is(data({ uid: 0, env: { XDG_STATE_HOME: '/s' } }), '/var/lib/weir');
  assert.is(data({}), '/home/weir/.local/state/weir');
  assert.is(data({ env: { XDG_STATE_HOME: '/s' } }), '/s/weir');
  assert.is(data({ env: { XDG_STATE_HOME: 'relative' } }), '/home/weir/.local/state/weir');
  assert.throws(
    () => data({ home: undefined }),
    ({ code, message }: WeirError) =>
      code === 'DATA_UNWRITABLE' &&
      message.startsWith('data: expected a folder, found none: this user has no'),
  );
  const appliance = (hostname: string) => defaultConfig({ ...FACTS, hostname }).appliance;
  assert.is(appliance('fw-01'), 'fw-01');
  assert.is(appliance('fw 01.ä'), 'fw-01--');
  assert.is(appliance('x'.repeat(100)), 'x'.repeat(63));
  assert.is(appliance(''), 'appliance');
});

test.run();
