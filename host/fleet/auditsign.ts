/**
 * Signatures of what operators write in the audit: without a key of the fleet nobody writes there in an operator's name, or changes what
 * others have written. What an appliance writes is not signed: nobody but itself may publish there, and its status names the last entry.
 *
 * An entry has the id of a key in `key` and in `sig` that key's signature over the entry without these two, behind a line that keeps it
 * apart from all else that the keys of a fleet sign.
 */
import { FLEET_AUDIT_SUBJECT } from '../wire.js';
import { type Act, type AuditBroker, type AuditEntry, appendEntry, parseEntry } from './audit.js';
import type { KeyRing } from './edition.js';
import { signatureIsOf, type SigningKey } from './keys.js';
import { type Metadata, type Root, roleIn } from './metadata.js';

const MARK = 'weir audit entry\n';
/** Those that publish have signed a timestamp; the others are for who signs without that. */
const ROLES = ['timestamp', 'snapshot', 'targets', 'root'];

/** A key of one of these roles that is here; nothing when none is. Throws PASSPHRASE_WRONG. */
export function auditKey(
  { signed }: Metadata<Root>,
  ring: KeyRing,
  roles: readonly string[] = ROLES,
): SigningKey | undefined {
  for (const role of roles) {
    const [key] = ring.open(roleIn(signed, role)?.ids ?? []);
    if (key) return key;
  }
  return undefined;
}

/** The entry with its signature; as it is where there is no key, which whoever verifies will tell. */
export function signEntry(entry: AuditEntry, key: SigningKey | undefined): AuditEntry {
  return key ? { ...entry, key: key.id, sig: key.sign(signedBytes(entry)) } : entry;
}

/** Writes what an operator does at the end of the operators' chain, signed. Throws what `appendEntry` throws. */
export async function appendSigned(
  broker: AuditBroker,
  key: SigningKey | undefined,
  act: Act & { readonly who: string },
  now: () => number,
): Promise<void> {
  await appendEntry(broker, FLEET_AUDIT_SUBJECT, ({ seq, digest: prev }) =>
    signEntry({ seq: seq + 1, prev, ts: now(), ...act }, key),
  );
}

/** Id of the key that has signed a line of a chain; nothing when it is none of these, by id. */
export function signerOf(line: string, keys: ReadonlyMap<string, string>): string | undefined {
  const entry = parseEntry(line);
  if (!entry) return undefined;
  const { key, sig, ...unsigned } = entry;
  const raw = typeof key === 'string' ? keys.get(key) : undefined;
  const isGood =
    raw !== undefined && typeof sig === 'string' && signatureIsOf(raw, signedBytes(unsigned), sig);
  return isGood ? String(key) : undefined;
}

function signedBytes(entry: object): Buffer {
  return Buffer.from(`${MARK}${JSON.stringify(entry)}`);
}
