/**
 * What crowdsec's parsers make of lines of sshd, PAM, pf, iptables, auditd and firewalls, against what weir makes of
 * the same lines, where that corpus lies beside this folder. A field counts where both sides have it under some name.
 *
 * What is read differently, and why, is in `DIFFERENT`; what weir has no reader for is in `PLAIN`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../runtime/testfilter.js';
import { type Expectation, readExpectations } from './parserassert.js';
import { type Reading, readAll } from './readings.js';

const CORPUS = join(ROOT, '../shared/corpus');
const FOLDERS = ['ssh', 'audit', 'firewall'].map((kind) => join(CORPUS, kind, 'crowdsec'));
const NOW = '2026-06-30T12:00:00Z';

type Ours = (reading: Reading) => unknown;
type Names = Readonly<Record<string, Ours>>;

/** A field of a record, as text. */
const of =
  (reader: Exclude<keyof Reading, 'line'>, name: string): Ours =>
  (reading) =>
    reading[reader][name];

/** The header of syslog, whoever reads the message. */
const HEADER: Names = {
  'Parsed.program': of('syslog', 'program'),
  'Parsed.pid': of('syslog', 'pid'),
  'Parsed.message': of('syslog', 'message'),
  'Parsed.timestamp': ({ line, syslog }) => sameTime(line, syslog.time),
  'Parsed.timestamp8601': ({ line, syslog }) => sameTime(line, syslog.time),
  'Parsed.syslog_priority': of('syslog', 'priority'),
  'Parsed.syslog_version': of('syslog', 'version'),
  'Parsed.hostname': of('syslog', 'host'),
  'Meta.machine': of('syslog', 'host'),
};

const SSH_TYPES: Readonly<Record<string, string>> = {
  negotiation: 'ssh_bad_keyexchange',
  timeout: 'ssh_auth_timeout',
  protocol: 'ssh_dispatch_fatal',
  refused: 'ssh_refused_conn',
};
const sshType: Ours = ({ ssh: { outcome, kind } }) => {
  if (outcome === 'success') return 'auth_success';
  if (outcome === 'failure') return 'ssh_failed-auth';
  return kind === undefined ? undefined : (SSH_TYPES[String(kind)] ?? 'ssh_failed-auth');
};
const SSHD: Names = {
  ...HEADER,
  'Parsed.sshd_client_ip': of('ssh', 'src_ip'),
  'Parsed.sshd_client_port': of('ssh', 'src_port'),
  'Parsed.sshd_port': of('ssh', 'src_port'),
  'Parsed.sshd_auth_user': of('ssh', 'user'),
  'Parsed.sshd_invalid_user': of('ssh', 'user'),
  'Meta.source_ip': of('ssh', 'src_ip'),
  'Meta.user': of('ssh', 'user'),
  'Meta.target_user': of('ssh', 'user'),
  'Meta.log_type': sshType,
};

const IPTABLES: Names = {
  'Parsed.int_eth': of('pairs', 'IN'),
  'Parsed.length': of('pairs', 'LEN'),
  'Parsed.proto': of('pairs', 'PROTO'),
  'Parsed.src_ip': of('pairs', 'SRC'),
  'Parsed.dst_ip': of('pairs', 'DST'),
  'Parsed.src_port': of('pairs', 'SPT'),
  'Parsed.dst_port': of('pairs', 'DPT'),
  'Meta.source_ip': of('pairs', 'SRC'),
  'Meta.service': ({ pairs: { PROTO } }) => String(PROTO).toLowerCase(),
};
const hex =
  (name: string): Ours =>
  ({ pairs }) =>
    String(pairs[name]).replace('0x', '');
const PROXMOX: Names = {
  'Parsed.src_ip': of('pairs', 'SRC'),
  'Parsed.dst_ip': of('pairs', 'DST'),
  'Parsed.src_port': of('pairs', 'SPT'),
  'Parsed.dst_port': of('pairs', 'DPT'),
  'Parsed.proto': of('pairs', 'PROTO'),
  'Parsed.iface': of('pairs', 'IN'),
  'Parsed.oface': of('pairs', 'OUT'),
  'Parsed.physin': of('pairs', 'PHYSIN'),
  'Parsed.physout': of('pairs', 'PHYSOUT'),
  'Parsed.id': of('pairs', 'ID'),
  'Parsed.ttl': of('pairs', 'TTL'),
  'Parsed.ack': of('pairs', 'ACK'),
  'Parsed.tos': hex('TOS'),
  'Parsed.prec': hex('PREC'),
  'Parsed.data_length': of('pairs', 'LEN'),
  'Parsed.dst_mac': ({ pairs: { MAC } }) => String(MAC).slice(0, 17),
  'Meta.source_ip': of('pairs', 'SRC'),
};

/** Columns of pf's filterlog, after those that all packets have; those of TCP stand last. */
const PF = 'rule,,,tracker,iface,reason,action,direction,ip_ver'.split(',');
const PF4 = 'ip4_tos,,ip4_ttl,ip4_id,ip4_offset,ip4_flags,ip4_proto_id,ip4_proto,length'.split(',');
const PF6 = 'ip6_class,ip6_flow_label,ip6_hop_limit,ip6_proto,ip6_proto_id,length'.split(',');
const PF_PORTS =
  'src_ip,dst_ip,src_port,dst_port,data_length,tcp_flags,sequence_number,ack_number,tcp_window,urg,tcp_options';
const pfColumn =
  (name: string): Ours =>
  ({ columns }) => {
    const names = [...PF, ...(columns[8] === '6' ? PF6 : PF4), ...PF_PORTS.split(',')];
    return columns[names.indexOf(name)];
  };
const pfNames = [...PF, ...PF4, ...PF6, ...PF_PORTS.split(',')].filter((name) => name !== '');
const FILTERLOG: Names = {
  ...HEADER,
  ...Object.fromEntries(pfNames.map((name) => [`Parsed.${name}`, pfColumn(name)])),
  'Meta.iface': pfColumn('iface'),
  'Meta.ruleid': pfColumn('tracker'),
  'Meta.rulenr': pfColumn('rule'),
  'Meta.source_ip': pfColumn('src_ip'),
  'Meta.service': ({ columns }) => columns[columns[8] === '6' ? 12 : 16],
};

const AUDITD: Names = {
  'Parsed.timestamp': ({ audit: { _time } }) => (Number(_time) / 1000).toFixed(3),
  'Parsed.event_inc_id': of('audit', '_serial'),
  'Meta.auditd_eventid': of('audit', '_serial'),
  'Meta.exe': of('audit', 'exe'),
  'Meta.tty': of('audit', 'tty'),
  'Meta.uid': of('audit', 'uid'),
  'Meta.auid': of('audit', 'auid'),
  'Meta.ppid': of('audit', 'ppid'),
  'Unmarshaled.auditd.type': of('audit', '_type'),
  'Unmarshaled.auditd.msg': ({ audit: { _time, _serial } }) =>
    `audit(${(Number(_time) / 1000).toFixed(3)}:${_serial}):`,
};
const PAM: Names = {
  ...HEADER,
  'Parsed.uid': of('pairs', 'uid'),
  'Parsed.euid': of('pairs', 'euid'),
  'Parsed.tty': of('pairs', 'tty'),
  'Parsed.ruser': of('pairs', 'ruser'),
  'Parsed.logname': of('pairs', 'logname'),
  'Parsed.username': of('pairs', 'user'),
  'Parsed.src_ip': of('pairs', 'rhost'),
  'Meta.username': of('pairs', 'user'),
  'Meta.source_ip': of('pairs', 'rhost'),
};
const FORTINET: Names = {
  'Meta.source_ip': of('firewall', 'src_ip'),
  'Meta.target_user': of('firewall', 'user'),
  'Meta.action': of('firewall', 'action'),
  'Meta.msg': of('firewall', 'message'),
  'Meta.reason': of('pairs', 'reason'),
  'Meta.sub_type': of('firewall', 'stream'),
  'Meta.tunnel_type': of('pairs', 'tunneltype'),
};
const CEF: Names = {
  'Parsed.cef_version': of('cef', '_version'),
  'Parsed.cef_device_vendor': of('cef', '_vendor'),
  'Parsed.cef_device_product': of('cef', '_product'),
  'Parsed.cef_device_version': of('cef', '_product_version'),
  'Parsed.cef_signature_id': of('cef', '_signature'),
  'Parsed.cef_event_name': of('cef', '_name'),
  'Parsed.cef_severity': of('cef', '_severity'),
  'Parsed.hostname': of('syslog', 'host'),
  'Parsed.timestamp': ({ line, syslog }) => sameTime(line, syslog.time),
};
const UNIFI: Names = {
  ...CEF,
  'Meta.source_ip': of('cef', 'src'),
  'Meta.source_port': of('cef', 'spt'),
  'Meta.destination_ip': of('cef', 'dst'),
  'Meta.destination_port': of('cef', 'dpt'),
  'Meta.protocol': of('cef', 'proto'),
  'Meta.action': of('cef', 'act'),
  'Meta.application': of('cef', 'app'),
  'Meta.message': of('cef', 'msg'),
  'Meta.host': of('cef', 'UNIFIhost'),
  'Meta.admin_user': of('cef', 'UNIFIadmin'),
  'Meta.category': of('cef', 'UNIFIcategory'),
  'Meta.subcategory': of('cef', 'UNIFIsubCategory'),
};
const EVE: Names = {
  'Parsed.dest_ip': of('json', 'dest_ip'),
  'Parsed.dest_port': of('json', 'dest_port'),
  'Parsed.proto': of('json', 'proto'),
  'Parsed.suricata_alert_signature': of('json', 'alert.signature'),
  'Parsed.suricata_alert_signature_rev': of('json', 'alert.rev'),
  'Meta.source_ip': of('json', 'src_ip'),
  'Meta.suricata_alert_signature_id': of('json', 'alert.signature_id'),
  'Meta.suricata_rule_severity': of('json', 'alert.severity'),
  'Meta.suricata_flow_id': of('json', 'flow_id'),
};
const NETWORK_ONLY: Names = { 'Parsed.timestamp': ({ line, syslog }) => sameTime(line, syslog.time) };

/** Their parsers, and where weir has the same. */
const PARSERS: Readonly<Record<string, Names>> = {
  'crowdsecurity/syslog-logs': HEADER,
  'crowdsecurity/sshd-logs': SSHD,
  'crowdsecurity/sshd-success-logs': SSHD,
  'crowdsecurity/endlessh-logs': {
    ...HEADER,
    'Parsed.source_ip': of('pairs', 'host'),
    'Meta.source_ip': of('pairs', 'host'),
  },
  'crowdsecurity/pam-logs': PAM,
  'crowdsecurity/synology-dsm-logs': PAM,
  'crowdsecurity/iptables-logs': IPTABLES,
  'crowdsecurity/unifi-logs': { 'Parsed.timestamp': HEADER['Parsed.timestamp'] as Ours },
  'aderumier/proxmox-iptables-logs': PROXMOX,
  'firewallservices/pf-logs': FILTERLOG,
  'firewallservices/pf-logs-drop': FILTERLOG,
  'a1ad/mikrotik-logs': NETWORK_ONLY,
  'crowdsecurity/configserver-lfd-logs': HEADER,
  'crowdsecurity/auditd-logs': AUDITD,
  'crowdsecurity/laurel-logs': {},
  'crowdsecurity/fortinet-logs': FORTINET,
  'crowdsecurity/cef-logs': CEF,
  'crowdsecurity/unifi-cef': UNIFI,
  'crowdsecurity/suricata-evelogs': EVE,
};

/** Parsers of text for people or for the web, which weir passes on as it stands. */
const PLAIN: ReadonlySet<string> = new Set([
  'crowdsecurity/non-syslog',
  'crowdsecurity/nginx-logs',
  'crowdsecurity/suricata-fastlogs',
  'LePresidente/adguardhome-logs',
  'mstilkerich/bind9',
  'pserranoa/openvpn',
  // These work on what the parsers above have found.
  'crowdsecurity/dateparse-enrich',
]);

/** Paths in what a parser reads as a whole: `Unmarshaled.iptables.SRC` is our pair `SRC`. */
const WHOLE: readonly (readonly [string, Exclude<keyof Reading, 'line'>])[] = [
  ['Unmarshaled.iptables.', 'pairs'],
  ['Unmarshaled.fortinet.', 'pairs'],
  ['Unmarshaled.auditd.', 'audit'],
  ['Unmarshaled.laurel.', 'json'],
  ['Unmarshaled.unifi.', 'cef'],
];

interface Difference {
  readonly parser: RegExp;
  readonly field: RegExp;
  readonly line: RegExp;
  readonly reason: string;
}

/** What is read differently: fields of these lines, and why. */
const DIFFERENT: readonly Difference[] = [
  {
    parser: /sshd-logs/,
    field: /sshd_|Meta/,
    line: /pam_unix\(sshd:auth\)/,
    reason: 'PAM writes this beside the result that sshd writes itself: told once, it counts once',
  },
  {
    parser: /sshd-logs/,
    field: /sshd_|Meta/,
    line: /Magic value check failed/,
    reason: 'only a patched sshd with obfuscated handshakes writes this: nobody has tried to log in',
  },
  {
    parser: /sshd-logs|endlessh-logs/,
    field: /ip$/,
    line: /::ffff:/,
    reason: 'an address is told as the line has it: ::ffff:192.0.2.7 says that the socket is one of IPv6',
  },
  {
    parser: /pam-logs/,
    field: /uid|username/,
    line: /pam_tally2/,
    reason: 'a sentence for people: `user NAME (UID) tally N` has no pairs, and no shipped filter reads it',
  },
  {
    parser: /auditd-logs/,
    field: /auditd\.key$/,
    line: /key=\(null\)/,
    reason: '(null) is how the kernel writes that there is no key: there is none',
  },
  {
    parser: /laurel-logs/,
    field: /auid|ses/,
    line: /4294967295/,
    reason: 'a number stays as it stands; theirs is a float that was printed',
  },
  {
    parser: /cef/,
    field: /./,
    line: /^0\|/,
    reason: 'without `CEF:` it is not CEF: any line with bars would pass for it',
  },
  {
    parser: /iptables-logs/,
    field: /length|LEN/,
    line: /PROTO=UDP/,
    reason: 'of a repeated key the first value counts: the length of the packet, not of what UDP carries',
  },
];

function oursFor(parser: string, field: string): Ours | undefined {
  const named = PARSERS[parser]?.[field];
  if (named) return named;
  const [prefix, reader] = WHOLE.find(([start]) => field.startsWith(start)) ?? [];
  return prefix && reader ? of(reader, field.slice(prefix.length)) : undefined;
}

/** The instant as the line writes it, or undefined where it is another; a date without a year is compared without. */
function sameTime(whole: string, time: unknown): string | undefined {
  if (typeof time !== 'number') return undefined;
  const line = whole.slice(0, 40);
  const iso = /\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/.exec(line)?.[0];
  if (iso !== undefined) return Date.parse(iso) === time ? iso : undefined;
  const written = /[A-Z][a-z]{2} +\d+ [\d:]{8}/.exec(line)?.[0];
  const year = new Date(time).getUTCFullYear();
  return Date.parse(`${written} ${year} UTC`) === time ? written : undefined;
}

function wantedOf(expectations: readonly Expectation[]) {
  const under = (prefix: string) => [
    ...new Set(
      expectations.flatMap(({ fields }) =>
        [...fields.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
      ),
    ),
  ];
  const pam = ['uid', 'euid', 'tty', 'ruser', 'logname', 'rhost', 'host'];
  const more = ['SEQ', 'ACK', 'PHYSIN', 'PHYSOUT'];
  const eve = ['src_ip', 'dest_ip', 'dest_port', 'proto', 'flow_id'];
  const alert = ['alert.signature', 'alert.rev', 'alert.signature_id', 'alert.severity'];
  return {
    pairs: [
      ...new Set([...under('Unmarshaled.iptables.'), ...under('Unmarshaled.fortinet.'), ...pam, ...more]),
    ],
    cef: [
      ...new Set(['src', 'spt', 'dst', 'dpt', 'proto', 'act', 'app', 'msg', ...under('Unmarshaled.unifi.')]),
    ],
    audit: under('Unmarshaled.auditd.'),
    json: [...under('Unmarshaled.laurel.'), ...eve, ...alert],
    separator: ',',
  };
}

test('what crowdsec reads of a line, weir reads as well, or says why not', async () => {
  if (!FOLDERS.every((folder) => existsSync(folder)))
    return void console.log(`\nnote: skipped, there are no expectations of crowdsec in ${CORPUS}`);
  const expectations = FOLDERS.flatMap(readExpectations);
  const compared = expectations.filter(({ parser }) => !PLAIN.has(parser));
  assert.equal([...new Set(compared.map(({ parser }) => parser))].sort(), Object.keys(PARSERS).sort());
  const parsed = compared.filter(({ isParsed }) => isParsed);
  const lines = [...new Set(parsed.map(({ line }) => line ?? ''))];
  assert.not.ok(lines.includes(''), 'every event has its line');
  const readings = new Map(
    (await readAll(lines, wantedOf(expectations), NOW)).map((reading) => [reading.line, reading]),
  );
  let agreed = 0;
  let fields = 0;
  const wrong: string[] = [];
  const different = new Map<string, number>();
  for (const { test: name, parser, fields: expected, line } of parsed) {
    const reading = readings.get(line as string) as Reading;
    for (const [field, value] of expected) {
      const ours = oursFor(parser, field);
      if (!ours) continue;
      fields++;
      const found = ours(reading);
      if (String(found ?? '') === value.trimEnd() || String(found ?? '') === value) agreed++;
      else {
        const known = DIFFERENT.find(
          (entry) => entry.parser.test(parser) && entry.field.test(field) && entry.line.test(reading.line),
        );
        if (known) different.set(known.reason, (different.get(known.reason) ?? 0) + 1);
        else wrong.push(`${name} ${parser} ${field}: ${found}, not ${value}: ${reading.line.slice(0, 200)}`);
      }
    }
  }
  const differing = [...different.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    `\nnote: crowdsec: ${agreed} of ${fields} fields of ${lines.length} lines agree, ${differing} read differently`,
  );
  for (const [reason, count] of different) console.log(`note: differs: ${count}: ${reason}`);
  assert.equal(wrong, []);
  assert.equal(
    DIFFERENT.map(({ reason }) => reason).filter((reason) => !different.has(reason)),
    [],
    'stale',
  );
});

test.run();
