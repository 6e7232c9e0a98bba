/**
 * How a client of the broker says who it is: files with credentials, an nkey or certificates. No error quotes what is in them.
 */
import { readFileSync } from 'node:fs';
import { type Authenticator, type ConnectionOptions, credsAuthenticator, nkeyAuthenticator } from 'nats';
import { oneLine, systemCode, WeirError } from './errors.js';

export interface CredentialFiles {
  /** Path of a NATS credentials file. */
  readonly creds?: string;
  /** Path of the seed of a user's nkey; not beside `creds`. */
  readonly nkey?: string;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Reads the files. Throws CREDENTIALS_UNREADABLE. */
export function readCredentials({
  creds,
  nkey,
  tls,
}: CredentialFiles): Pick<ConnectionOptions, 'authenticator' | 'tls'> {
  return {
    ...(creds === undefined ? {} : { authenticator: readCreds(creds) }),
    ...(nkey === undefined ? {} : { authenticator: readNkey(nkey) }),
    ...(tls === undefined ? {} : { tls: readTls(tls) }),
  };
}

function readCreds(path: string): Authenticator {
  return tried(
    'nats.creds',
    path,
    'a NATS credentials file',
    credsAuthenticator(readKey('nats.creds', path)),
  );
}

function readNkey(path: string): Authenticator {
  const seed = readKey('nats.nkey', path).toString('latin1').trim();
  // Seeds of accounts and operators would sign as well, and no broker lets them in.
  const isUsers = seed.startsWith('SU');
  const authenticator = nkeyAuthenticator(Buffer.from(isUsers ? seed : ''));
  return tried('nats.nkey', path, "the seed of a user's nkey (SU...)", (nonce) => {
    if (!isUsers) throw new Error('no seed of a user');
    return authenticator(nonce);
  });
}

/** The authenticator, when it can sign. The client's own errors may quote the file. */
function tried(key: string, path: string, expected: string, authenticator: Authenticator): Authenticator {
  try {
    authenticator('a trial');
    return authenticator;
  } catch {
    const problem = `expected ${expected}, found something else`;
    throw new WeirError('CREDENTIALS_UNREADABLE', `${key}: ${path}: ${problem}`);
  }
}

function readTls(paths: NonNullable<CredentialFiles['tls']>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(paths).map(([name, path]) => [name, readKey(`nats.tls.${name}`, path).toString()]),
  );
}

function readKey(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = systemCode(error) || oneLine(error);
    throw new WeirError('CREDENTIALS_UNREADABLE', `${key}: ${path}: expected a readable file, found ${why}`);
  }
}
