/**
 * What weir asks of TUF metadata beyond what `tuf-js` does; on the bytes, before that sees them.
 *
 * One public key under two ids would count twice towards a threshold; a target without a SHA-256 would be held to its length
 * alone; a time of expiry in another form, or none, may be read as never.
 */
import { WeirError } from '../errors.js';
import { METADATA_KEYS_MAX } from '../fleetlimits.js';

const EXPIRES = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const SHA256 = /^[0-9a-f]{64}$/;

type Json = Readonly<Record<string, unknown>>;

/** Milliseconds since 1970; undefined when it is no time as TUF writes it. */
export function timeOf(expires: unknown): number | undefined {
  if (typeof expires !== 'string' || !EXPIRES.test(expires)) return undefined;
  const ms = Date.parse(expires);
  // Date.parse takes February 30 for March 2.
  return new Date(ms).toJSON()?.startsWith(expires.slice(0, 19)) ? ms : undefined;
}

/** Throws METADATA_REFUSED with the file, what was expected and what was found. Answers version and expiry. */
export function checkMetadata(file: string, bytes: Uint8Array): { version: number; expiresMs: number } {
  const refuse = (problem: string): never => {
    throw new WeirError('METADATA_REFUSED', `${file}: ${problem}`);
  };
  const signed = signedOf(bytes) ?? refuse('expected an object with "signed", found something else');
  const { version, expires, keys, roles, delegations, targets } = signed;
  if (!Number.isSafeInteger(version) || (version as number) < 1) refuse('expected a version from 1 on');
  const expiresMs = timeOf(expires) ?? refuse('expected a time such as 2026-01-31T12:00:00Z in "expires"');
  if (isObject(roles)) checkKeys(keys, Object.entries(roles), refuse);
  if (isObject(delegations)) checkDelegations(delegations, refuse);
  for (const [path, target] of entriesOf(targets)) {
    const { sha256 } = objectOf(objectOf(target).hashes);
    if (typeof sha256 !== 'string' || !SHA256.test(sha256)) refuse(`${path}: expected a SHA-256, found none`);
  }
  return { version: version as number, expiresMs };
}

function checkDelegations(delegations: Json, refuse: (problem: string) => never): void {
  const roles = Array.isArray(delegations.roles) ? delegations.roles.map(objectOf) : [];
  const named = roles.map((role): [string, unknown] => [String(role.name), role]);
  checkKeys(delegations.keys, [...named, ['succinct roles', delegations.succinct_roles]], refuse);
}

/** The keys of each role are different ones, whatever ids they go by. */
function checkKeys(
  keys: unknown,
  roles: readonly [string, unknown][],
  refuse: (problem: string) => never,
): void {
  for (const [role, value] of roles) {
    const { keyids } = objectOf(value);
    const ids = Array.isArray(keyids) ? keyids : [];
    if (ids.length > METADATA_KEYS_MAX) refuse(`${role}: expected up to ${METADATA_KEYS_MAX} keys`);
    const known = ids.map((id) => objectOf(objectOf(objectOf(keys)[String(id)]).keyval).public);
    const values = known.filter((value) => value !== undefined).map((value) => String(value).toLowerCase());
    if (new Set(values).size < values.length) refuse(`${role}: one key stands there under two ids`);
  }
}

function signedOf(bytes: Uint8Array): Json | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return isObject(value) && isObject(value.signed) ? value.signed : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

function entriesOf(value: unknown): [string, unknown][] {
  return Object.entries(objectOf(value));
}
