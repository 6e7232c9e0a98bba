/**
 * Where the broker is, and how to log in there, as the options of a command say.
 */
import { defaultDataFolder, loadConfig, type NatsConfig } from '../config.js';
import { WeirError } from '../errors.js';
import { localServer } from './localserver.js';

/** For `parseCommand`. */
export const LOGIN_OPTIONS = {
  creds: { type: 'string' },
  nkey: { type: 'string' },
  'tls-ca': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
} as const;

/** The lines of these options in a help text. */
export const LOGIN_HELP = `  --creds FILE      NATS credentials, or
  --nkey FILE       the seed of an nkey
  --tls-ca FILE     authority of the broker's certificate, where the system does not know it
  --tls-cert FILE   certificate of this client, and
  --tls-key FILE    its key, where the broker asks for one
`;

type LoginValues = { readonly [name in keyof typeof LOGIN_OPTIONS]?: string | undefined } & {
  readonly server?: string | undefined;
  readonly config?: string | undefined;
  readonly data?: string | undefined;
};

/** What is named goes before what the config says; without either it is the broker of a host on this machine. */
export function loginOf(values: LoginValues): NatsConfig {
  const { nkey, creds } = values;
  if (nkey !== undefined && creds !== undefined)
    throw new WeirError('USAGE', 'expected one of --nkey and --creds, found both');
  const { nkey: usualNkey, creds: usualCreds, tls: usualTls, ...servers } = serversOf(values);
  const isNamed = nkey !== undefined || creds !== undefined;
  const login = isNamed ? { nkey, creds } : { nkey: usualNkey, creds: usualCreds };
  const tls = {
    ...usualTls,
    ...named({ ca: values['tls-ca'], cert: values['tls-cert'], key: values['tls-key'] }),
  };
  return { ...servers, ...named(login), ...(Object.keys(tls).length > 0 ? { tls } : {}) };
}

/** Without the keys that have no value. */
function named<K extends string>(values: Readonly<Record<K, string | undefined>>): { [name in K]?: string } {
  const found = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(found) as { [name in K]?: string };
}

function serversOf({ server, config, data }: LoginValues): NatsConfig {
  const loaded = config === undefined ? undefined : loadConfig(config);
  if (loaded?.nats) return server === undefined ? loaded.nats : { ...loaded.nats, servers: [server] };
  return { servers: [server ?? localServer(data ?? loaded?.data ?? defaultDataFolder())] };
}
