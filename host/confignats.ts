/**
 * The key `nats` of the config: where the broker is, and how to log in there.
 */
import * as v from 'valibot';
import { isServer } from './configvalues.js';
import { SERVERS_MAX } from './limits.js';
import { list, name, object, text } from './validate.js';

export interface NatsConfig {
  readonly servers: readonly string[];
  /** Path of a NATS credentials file. */
  readonly creds?: string;
  /** Path of the seed of an nkey. */
  readonly nkey?: string;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** JetStream domain of the stream; absent: that of the server. */
  readonly domain?: string;
}

export function natsSchema(path: v.GenericSchema<string, string>) {
  const optionalPath = v.exactOptional(path);
  return v.pipe(
    object({
      servers: list(
        'a list of NATS URLs',
        text('a URL such as "nats://127.0.0.1:4222"', isServer),
        1,
        SERVERS_MAX,
      ),
      creds: optionalPath,
      nkey: optionalPath,
      tls: v.exactOptional(object({ ca: optionalPath, cert: optionalPath, key: optionalPath })),
      domain: v.exactOptional(name()),
    }),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed || dataset.value.creds === undefined || dataset.value.nkey === undefined) return;
      addIssue({ message: 'expected one of the keys creds and nkey, found both' });
    }),
  );
}
