/**
 * Addresses of brokers, as people write them; what is secret in them goes to the login and nowhere else.
 */
import type { ConnectionOptions } from 'nats';
import { WeirError } from './errors.js';

export interface Server {
  /** Without secrets. */
  readonly shown: string;
  readonly host: string;
  readonly port: number;
  /** Login, and TLS where the URL asks for it. */
  readonly settings: Pick<ConnectionOptions, 'user' | 'pass' | 'token' | 'tls'>;
}

export function parseServer(text: string): Server {
  try {
    const url = new URL(text.includes('://') ? text : `nats://${text}`);
    const [user, pass] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
    if (!['nats:', 'tls:'].includes(url.protocol) || url.hostname === '') throw new Error('not a NATS URL');
    const port = Number(url.port || 4222);
    const login = user === '' ? {} : pass === '' ? { token: user } : { user, pass };
    return {
      shown: `${url.protocol}//${url.hostname}:${port}`,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      settings: url.protocol === 'tls:' ? { ...login, tls: {} } : login,
    };
  } catch {
    // What was found stays unsaid: it may hold a password.
    const expected = 'expected a URL such as "nats://127.0.0.1:4222", found something else';
    throw new WeirError('BROKER_UNREACHABLE', `broker: ${expected}`);
  }
}
