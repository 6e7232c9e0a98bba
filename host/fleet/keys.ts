/**
 * Signing keys of operators: Ed25519, encrypted at rest with a passphrase.
 *
 * A key file is JSON: the public half in the open, the private half sealed with AES-256-GCM under a key that scrypt (RFC 7914)
 * makes of the passphrase. A key's id is what TUF makes of it: the SHA-256 of its canonical form, so nobody chooses it.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  scryptSync,
  sign,
  verify,
} from 'node:crypto';
import * as v from 'valibot';
import { sha256Of } from '../digest.js';
import { WeirError } from '../errors.js';
import { KEY_FILE_BYTES_MAX, PASSPHRASE_CHARACTERS_MIN } from '../fleetlimits.js';
import { check, name, object, readJson, text } from '../validate.js';

/** The public half of a key, as metadata names it. */
export interface PublicKey {
  readonly id: string;
  /** 32 bytes in hex. */
  readonly public: string;
}

/** A key that can sign, as long as the process lives. */
export interface SigningKey extends PublicKey {
  readonly name: string;
  /** The signature in hex. */
  sign(bytes: Uint8Array): string;
}

/** A key as it lies in its file. */
export type KeyFile = v.InferOutput<typeof KeyFile>;

const hex = (bytes: number) =>
  text(`${bytes} bytes in hex`, (value) => new RegExp(`^[0-9a-f]{${2 * bytes}}$`).test(value));
const [SALT_BYTES, NONCE_BYTES, TAG_BYTES, SEED_BYTES] = [16, 12, 16, 32];
const open = { format: v.literal(1, '1'), name: name(), public: hex(32) };
const PublicFile = object(open);
const KeyFile = object({
  ...open,
  sealed: object({
    salt: hex(SALT_BYTES),
    nonce: hex(NONCE_BYTES),
    tag: hex(TAG_BYTES),
    seed: hex(SEED_BYTES),
  }),
});

/** OWASP Password Storage Cheat Sheet: 32 MiB, three times over; a fifth of a second on a laptop. */
const SCRYPT = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 2 ** 20 };
/** RFC 8410: what stands before the 32 bytes of a private key in PKCS #8. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
/** The same of a public key, in SubjectPublicKeyInfo. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const CODES = { unreadable: 'KEY_UNREADABLE', invalid: 'KEY_UNREADABLE' } as const;

/**
 * A new key, sealed with a passphrase. Throws PASSPHRASE_WEAK. `salt`: that of another key under the same passphrase, so that one question to
 * scrypt opens both; each key has a nonce of its own.
 */
export function createKeyFile(
  keyName: string,
  passphrase: string,
  salt = randomBytes(SALT_BYTES).toString('hex'),
): KeyFile {
  if (passphrase.length < PASSPHRASE_CHARACTERS_MIN) {
    const problem = `expected at least ${PASSPHRASE_CHARACTERS_MIN} characters, found ${passphrase.length}`;
    throw new WeirError('PASSPHRASE_WEAK', `passphrase: ${problem}`);
  }
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-SEED_BYTES);
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-SEED_BYTES).toString('hex');
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', secretOf(passphrase, salt), nonce);
  cipher.setAAD(Buffer.from(`${keyName} ${raw}`));
  const sealed = Buffer.concat([cipher.update(seed), cipher.final()]);
  return {
    format: 1,
    name: keyName,
    public: raw,
    sealed: {
      salt,
      nonce: nonce.toString('hex'),
      tag: cipher.getAuthTag().toString('hex'),
      seed: sealed.toString('hex'),
    },
  };
}

/** The last answer of scrypt: the keys of a folder have one salt. */
let known: { readonly passphrase: string; readonly salt: string; readonly secret: Buffer } | undefined;

function secretOf(passphrase: string, salt: string): Buffer {
  if (known?.passphrase !== passphrase || known.salt !== salt)
    known = { passphrase, salt, secret: scryptSync(passphrase, Buffer.from(salt, 'hex'), 32, SCRYPT) };
  return known.secret;
}

/** Reads a key file. Throws KEY_UNREADABLE. */
export function readKeyFile(path: string): KeyFile {
  return check('KEY_UNREADABLE', path, KeyFile, readJson(path, KEY_FILE_BYTES_MAX, CODES));
}

/** The public half of a key, as it is handed to others. */
export function publicFileOf({ format, name: keyName, public: raw }: KeyFile) {
  return { format, name: keyName, public: raw };
}

/** Reads the public half of somebody's key; the file of the whole key will do. Throws KEY_UNREADABLE. */
export function readPublicKey(path: string): PublicKey & { readonly name: string } {
  const value = readJson(path, KEY_FILE_BYTES_MAX, CODES);
  const isWhole = typeof value === 'object' && value !== null && 'sealed' in value;
  const found = check('KEY_UNREADABLE', path, isWhole ? KeyFile : PublicFile, value);
  return { name: found.name, public: found.public, id: keyIdOf(found.public) };
}

/** Opens a key. Throws PASSPHRASE_WRONG; a file that was changed looks like that, too. */
export function unlock({ name: keyName, public: raw, sealed }: KeyFile, passphrase: string): SigningKey {
  const bytes = (text: string) => Buffer.from(text, 'hex');
  let key: KeyObject;
  try {
    const secret = secretOf(passphrase, sealed.salt);
    const decipher = createDecipheriv('aes-256-gcm', secret, bytes(sealed.nonce));
    decipher.setAAD(Buffer.from(`${keyName} ${raw}`));
    decipher.setAuthTag(bytes(sealed.tag));
    const seed = Buffer.concat([decipher.update(bytes(sealed.seed)), decipher.final()]);
    key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  } catch (error) {
    throw new WeirError('PASSPHRASE_WRONG', `key ${keyName}: the passphrase does not open it`, {
      cause: error,
    });
  }
  return {
    name: keyName,
    id: keyIdOf(raw),
    public: raw,
    sign: (message) => sign(null, message, key).toString('hex'),
  };
}

/** True when a key, 32 bytes in hex, has signed these bytes. */
export function signatureIsOf(raw: string, message: Uint8Array, signature: string): boolean {
  const spki = Buffer.concat([SPKI_PREFIX, Buffer.from(raw, 'hex')]);
  try {
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    return verify(null, message, key, Buffer.from(signature, 'hex'));
  } catch {
    return false;
  }
}

/** TUF specification 4.2: the SHA-256 of the canonical JSON of the key. */
export function keyIdOf(raw: string): string {
  const canonical = `{"keytype":"ed25519","keyval":{"public":"${raw}"},"scheme":"ed25519"}`;
  return sha256Of(canonical);
}
