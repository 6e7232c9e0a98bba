/**
 * The socket for commands: whoever is connected cannot make the host keep what he says, or hold a place for ever.
 */
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { askHost, listenForCommands } from '../host/control.js';
import { oneLine } from '../host/errors.js';
import { CONTROL_BYTES_MAX, CONTROL_CONNECTIONS_MAX } from '../host/limits.js';
import { temporaryFolder, until } from './help.js';

const SWAP = { do: 'swap', filter: 'f', module: '/m', manifest: '/n' } as const;

test('those who go on talking, or do not hang up, make room for others', async () => {
  const { path, remove } = await temporaryFolder();
  const control = await listenForCommands(path, async () => ['done'], assert.unreachable);
  const line = `${JSON.stringify(SWAP)}\n`;
  const talkers = Array.from({ length: CONTROL_CONNECTIONS_MAX }, (_, at) => {
    const socket = createConnection({ path: join(path, 'control.sock'), allowHalfOpen: true });
    let answer = '';
    socket.on('error', () => {});
    socket.on('data', (part) => {
      answer += part;
    });
    socket.write(at % 2 === 0 ? line : 'x'.repeat(2 * CONTROL_BYTES_MAX));
    return { socket, answer: () => answer };
  });
  await until(() => talkers.every(({ answer }) => answer().endsWith('\n')), 10_000, 'all are answered');
  for (const [at, { answer }] of talkers.entries()) assert.is(JSON.parse(answer()).ok, at % 2 === 0);
  assert.equal(await askHost(path, SWAP), { ok: true, lines: ['done'] });
  for (const { socket } of talkers) socket.destroy();
  await control.close();
  await remove();
});

test('who asked a host that ends before it answers is told so, and not that there is none', async () => {
  const { path, remove } = await temporaryFolder();
  let isAsked = false;
  const asking = () => {
    isAsked = true;
    return new Promise<never>(() => {});
  };
  const control = await listenForCommands(path, asking, assert.unreachable);
  const told = askHost(path, SWAP).catch((error: unknown) => oneLine(error));
  await until(() => isAsked, 10_000, 'it is asked');
  await control.close();
  const asked = `HOST_UNREACHABLE: the host in ${path} was asked, and has not answered: control: the other side closed the connection; `;
  assert.ok(String(await told).startsWith(asked), String(await told));
  const none = await askHost(path, SWAP).catch((error: unknown) => oneLine(error));
  assert.ok(String(none).startsWith(`HOST_UNREACHABLE: no host answers in ${path}: `), String(none));
  await remove();
});

test.run();
