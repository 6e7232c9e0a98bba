/**
 * The configuration of a nats-server for a fleet, in which each appliance has a key of its own and the rights that it needs: it
 * publishes under its own name, reads the repository and the last message that it wrote itself, and hears announcements.
 *
 * Two accounts, because of replies. Whoever may publish names the subject to which the answer goes, the broker does not ask
 * whether he may publish there, and JetStream answers: in one account an appliance could write to any subject, a key of the
 * repository as well, by naming it as the reply subject of its own event. So JetStream is in CORE, appliances are in
 * APPLIANCES, and only services go from one to the other: an answer ends in APPLIANCES, where nothing is kept, and is no request for
 * another service.
 *
 * What is left is in APPLIANCES: an appliance can have an answer sent to the inbox of another one, if it guesses the random name
 * of it, and as an announcement. So an announcement is a reason to look, and nothing else.
 *
 * The same input gives the same text. It holds no secret.
 */
import { WeirError } from '../errors.js';
import {
  FLEET_APPLIANCES_MAX,
  FLEET_CONNECTIONS_SPARE,
  FLEET_LOGIN_SECONDS,
  FLEET_OPERATORS_MAX,
  FLEET_PAYLOAD_BYTES_MAX,
  FLEET_SUBSCRIPTIONS_MAX,
  FLEET_TLS_SECONDS,
} from '../fleetlimits.js';
import {
  ANNOUNCE_SUBJECT,
  AUDIT_STREAM,
  auditSubject,
  inboxPrefix,
  NAME_PATTERN,
  REPOSITORY_STREAM,
  REPOSITORY_WILDCARD,
  STREAM_NAME,
  ownSubjects,
  statusSubject,
} from '../wire.js';
import { isPublicKey } from './nkeys.js';

export interface NatsConfigOptions {
  readonly appliances: readonly { readonly id: string; readonly publicKey: string }[];
  readonly operators: readonly { readonly name: string; readonly publicKey: string }[];
  /** Address and port. */
  readonly listen: string;
  /** Folder of JetStream. */
  readonly storeDir: string;
  /** Paths; with `ca` clients need a certificate of it as well. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

/** The text of the configuration. Throws USAGE for names and keys that are none, and for too many of them. */
export function natsConfig(options: NatsConfigOptions): string {
  const { appliances, operators, listen, storeDir, tls } = options;
  checkUsers(options);
  return `# ${appliances.length} appliances, ${operators.length} operators. Nobody else gets in.
listen: ${quoted(listen)}
max_payload: ${FLEET_PAYLOAD_BYTES_MAX}
# Two for each appliance, because a new connection may come before the end of the old one is seen.
max_connections: ${2 * appliances.length + FLEET_CONNECTIONS_SPARE}
# Of each connection: what one client does must not take the memory of all.
max_subscriptions: ${FLEET_SUBSCRIPTIONS_MAX}
# Seconds, with the handshake of TLS: a whole fleet may come back at once.
authorization { timeout: ${FLEET_LOGIN_SECONDS} }
${tls === undefined ? '' : tlsText(tls)}
jetstream {
  store_dir: ${quoted(storeDir)}
  # nats-server 2.10 or newer, where a loss of power must not cost what was acknowledged:
  # sync_interval: always
}

${accountsText(options)}`;
}

function accountsText({ appliances, operators }: NatsConfigOptions): string {
  const exported = SERVICES.map((subject) => `{ service: ${quoted(subject)}, accounts: [ APPLIANCES ] }`);
  const imported = SERVICES.map((subject) => `{ service: { account: CORE, subject: ${quoted(subject)} } }`);
  const announce = quoted(ANNOUNCE_SUBJECT);
  return `accounts {
  # What is kept, and who looks after it. Operators may do everything here.
  CORE {
    jetstream: enabled
    users: [
${lines(operators.map(({ name, publicKey }) => `{ nkey: ${publicKey} } # ${name}`))}
    ]
    exports: [
${lines([...exported, `{ stream: ${announce}, accounts: [ APPLIANCES ] }`])}
    ]
  }
  # No JetStream and no other import: an answer that an appliance has sent to a subject of its choice ends here.
  APPLIANCES {
    imports: [
${lines([...imported, `{ stream: { account: CORE, subject: ${announce} } }`])}
    ]
    users: [
${lines(appliances.map(applianceText))}
    ]
  }
}
`;
}

function lines(items: readonly string[]): string {
  return items.map((item) => `      ${item}`).join('\n');
}

/** What one appliance asks of CORE; `*` as its name gives what is exported. */
function servicesOf(appliance: string): readonly string[] {
  const events = ownSubjects(appliance);
  const dead = `weir.dead.${appliance}.>`;
  const audit = auditSubject(appliance);
  return [
    events,
    dead,
    statusSubject(appliance),
    audit,
    // The last message on a subject of its own, to go on behind it. By subject only: by its place any message could be read.
    ...[events, dead].map((subject) => `$JS.API.DIRECT.GET.${STREAM_NAME}.${subject}`),
    `$JS.API.DIRECT.GET.${AUDIT_STREAM}.${audit}`,
    // A key of the repository: every appliance may read all of them, and what decides is signed.
    `$JS.API.DIRECT.GET.${REPOSITORY_STREAM}.${REPOSITORY_WILDCARD}`,
  ];
}

const SERVICES = servicesOf('*');

function applianceText({ id, publicKey }: NatsConfigOptions['appliances'][number]): string {
  const publish = servicesOf(id).map(quoted).join(', ');
  const subscribe = [`${inboxPrefix(id)}.>`, ANNOUNCE_SUBJECT].map(quoted).join(', ');
  return `{ nkey: ${publicKey}, permissions: { publish: { allow: [ ${publish} ] }, subscribe: { allow: [ ${subscribe} ] } } }`;
}

function tlsText({ cert, key, ca }: NonNullable<NatsConfigOptions['tls']>): string {
  const clients =
    ca === undefined
      ? ''
      : `\n  # Clients need a certificate of this authority as well as their key.\n  ca_file: ${quoted(ca)}\n  verify: true`;
  return `tls {
  cert_file: ${quoted(cert)}
  key_file: ${quoted(key)}${clients}
  timeout: ${FLEET_TLS_SECONDS}
}
`;
}

/** A text of a configuration. Nothing in quotes is a variable, but a backslash or a control character would be something else. */
function quoted(text: string): string {
  if (/[\p{Cc}"\\]/u.test(text))
    throw new WeirError(
      'USAGE',
      `expected a text without quotes, backslashes and control characters, found ${JSON.stringify(text.slice(0, 80))}`,
    );
  return `"${text}"`;
}

function checkUsers({ appliances, operators }: NatsConfigOptions): void {
  const seen = new Set<string>();
  const users = {
    appliance: {
      most: FLEET_APPLIANCES_MAX,
      all: appliances.map(({ id, publicKey }) => [id, publicKey] as const),
    },
    operator: {
      most: FLEET_OPERATORS_MAX,
      all: operators.map(({ name, publicKey }) => [name, publicKey] as const),
    },
  };
  for (const [kind, { most, all }] of Object.entries(users)) {
    if (all.length === 0 || all.length > most)
      throw new WeirError('USAGE', `expected 1 to ${most} ${kind}s, found ${all.length}`);
    for (const [name, publicKey] of all) {
      checkName(kind, name);
      if (!isPublicKey(publicKey))
        throw new WeirError(
          'USAGE',
          `${kind} ${name}: expected the public key of a user, found something else`,
        );
      // One key for two would give each the rights of the other.
      for (const one of [`${kind} ${name}`, publicKey]) {
        if (seen.has(one))
          throw new WeirError(
            'USAGE',
            `${kind} ${name}: expected a name and a key of its own, found ${one} twice`,
          );
        seen.add(one);
      }
    }
  }
}

/** Throws USAGE for what cannot be a subject's token. */
export function checkName(kind: string, name: string): void {
  if (NAME_PATTERN.test(name)) return;
  const found = JSON.stringify(name.slice(0, 80));
  throw new WeirError(
    'USAGE',
    `${kind}: expected a name of 1 to 63 letters, digits, _ and -, found ${found}`,
  );
}
