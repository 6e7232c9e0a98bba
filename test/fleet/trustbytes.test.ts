import { bytesOf, readTargets, readTimestamp, signWith } from '../../host/fleet/metadata.js';
import { PATH, refused, trustingSuite } from './trusting.js';
import type { World } from './world.js';

const trusting = trustingSuite('the form of metadata');

trusting('a target without a SHA-256', async (context) => {
  const { world } = context;
  await world.push({ [PATH]: 'second' });
  const path = `metadata/${(await world.state()).targets.get('targets')?.signed.version}.targets.json`;
  const targets = JSON.parse((world.repository.files.get(path)?.bytes ?? '').toString());
  targets.signed.targets[PATH].hashes = {};
  const signed = readTargets(Buffer.from(JSON.stringify({ signed: targets.signed, signatures: [] })));
  for (const key of world.keys.targets) signWith(signed, key);
  world.repository.set(path, bytesOf(signed));
  await refused(context, /METADATA_REFUSED .*expected a SHA-256, found none/);
});

for (const expires of ['never', '2999-01-01', '2999-02-30T00:00:00Z', '', '9999999999999']) {
  trusting(`"${expires}" is no time at which something expires`, async (context) => {
    const { world } = context;
    await world.push({ [PATH]: 'second' });
    const stored = world.repository.files.get('metadata/timestamp.json') as { bytes: Buffer };
    const { signed } = JSON.parse(stored.bytes.toString());
    // The models refuse what is no date for JavaScript: then it is signed as somebody with other tools would.
    const text = JSON.stringify({ signed: { ...signed, expires }, signatures: [] });
    const isReadable = !Number.isNaN(Date.parse(expires));
    const bytes = isReadable ? signedTimestamp(world, text) : Buffer.from(text);
    world.repository.set('metadata/timestamp.json', bytes);
    await refused(context, /METADATA_REFUSED timestamp\.json: expected a time such as/);
  });
}

function signedTimestamp(world: World, text: string): Buffer {
  const metadata = readTimestamp(Buffer.from(text));
  for (const key of world.keys.timestamp) signWith(metadata, key);
  return bytesOf(metadata);
}

trusting('metadata without an end', async (context) => {
  const { world } = context;
  await world.push({ [PATH]: 'second' });
  for (const file of ['timestamp.json', '2.root.json', '3.snapshot.json', '3.targets.json']) {
    const path = `metadata/${file}`;
    const whole = world.repository.files.get(path);
    world.repository.set(path, Buffer.alloc(2 ** 20, ' '));
    await refused(context, /METADATA_REFUSED .*(expected up to \d+ bytes|Expected length)/);
    if (whole) world.repository.set(path, whole.bytes);
    else world.repository.files.delete(path);
  }
  for (const hostile of ['', '[]', '{"signed":1}', '\0', '{"signed":{"__proto__":1}}', '['.repeat(10_000)]) {
    world.repository.set('metadata/timestamp.json', Buffer.from(hostile));
    await refused(context, /METADATA_REFUSED/);
  }
});

trusting.run();
