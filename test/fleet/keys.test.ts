/**
 * Keys of operators: sealed with a passphrase, opened with no other one, and never in the open in their files.
 */
import { createPublicKey, verify } from 'node:crypto';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../../host/errors.js';
import {
  createKeyFile,
  keyIdOf,
  publicFileOf,
  readKeyFile,
  readPublicKey,
  unlock,
} from '../../host/fleet/keys.js';
import { tufKey } from '../../host/fleet/metadata.js';
import { temporaryFolder } from '../help.js';

const PASSPHRASE = 'correct horse battery';

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'nothing thrown';
  } catch (error) {
    return error instanceof WeirError ? `${error.code}: ${error.message}` : String(error);
  }
}

test('signs what its public half verifies, after it was written and read', async () => {
  const { path, remove } = await temporaryFolder();
  const file = createKeyFile('targets', PASSPHRASE);
  writeFileSync(join(path, 'targets.json'), JSON.stringify(file));
  const key = unlock(readKeyFile(join(path, 'targets.json')), PASSPHRASE);
  const spki = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from(key.public, 'hex'),
  ]);
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const message = Buffer.from('a message');
  assert.ok(verify(null, message, publicKey, Buffer.from(key.sign(message), 'hex')));
  assert.is(key.id, keyIdOf(file.public));
  assert.is(key.name, 'targets');
  for (const value of [file, publicFileOf(file)]) {
    writeFileSync(join(path, 'given.json'), JSON.stringify(value));
    assert.equal(readPublicKey(join(path, 'given.json')), {
      name: 'targets',
      public: key.public,
      id: key.id,
    });
  }
  await remove();
});

test('the id is that of the specification', () => {
  const raw = 'ab'.repeat(32);
  assert.equal(tufKey({ id: keyIdOf(raw), public: raw }).toJSON(), {
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: raw },
  });
  // printf '{"keytype":"ed25519","keyval":{"public":"abab..."},"scheme":"ed25519"}' | sha256sum
  assert.is(keyIdOf(raw), '05584cc3bfabb85de26cb80479f075fa802c97add45fd61feebaa0423da7f57a');
});

test('another passphrase, and a file that was changed, open nothing', () => {
  const file = createKeyFile('targets', PASSPHRASE);
  assert.match(
    codeOf(() => unlock(file, 'correct horse battery ')),
    /^PASSPHRASE_WRONG: key targets:/,
  );
  const other = createKeyFile('other', PASSPHRASE);
  assert.match(
    codeOf(() => unlock({ ...file, public: other.public }, PASSPHRASE)),
    /^PASSPHRASE_WRONG/,
  );
  assert.match(
    codeOf(() => unlock({ ...file, name: 'root' }, PASSPHRASE)),
    /^PASSPHRASE_WRONG/,
  );
  assert.match(
    codeOf(() => createKeyFile('targets', 'short')),
    /^PASSPHRASE_WEAK: .*at least 10 characters, found 5/,
  );
});

test('what is no key file', async () => {
  const { path, remove } = await temporaryFolder();
  const at = join(path, 'key.json');
  const file = createKeyFile('targets', PASSPHRASE);
  for (const bad of [
    '',
    '[]',
    JSON.stringify({ ...file, format: 2 }),
    JSON.stringify({ ...file, public: 'AB'.repeat(32) }),
    JSON.stringify({ ...file, sealed: { ...file.sealed, nonce: '' } }),
    JSON.stringify({ ...file, more: 1 }),
  ]) {
    writeFileSync(at, bad);
    assert.match(
      codeOf(() => readKeyFile(at)),
      /^KEY_UNREADABLE/,
      bad,
    );
  }
  assert.match(
    codeOf(() => readKeyFile(join(path, 'none'))),
    /^KEY_UNREADABLE/,
  );
  await remove();
});

test.run();
