/**
 * Connections to a broker, and what is refused: with a real `nats-server`, or with a listener that plays one badly.
 */
import { writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Misplaced } from '../host/jetstream.js';
import { CONNECT_MS_MAX } from '../host/limits.js';
import { brokerAvailable, startTestBroker } from './broker.js';
import { errorOf, message, open, SECRET } from './connecting.js';
import { issueCredentials } from './credentials.js';
import { temporaryFolder, until, WAIT_MS } from './help.js';

interface Impostor {
  readonly url: string;
  readonly sockets: ReadonlySet<Socket>;
  received(): string;
  close(): Promise<void>;
}

/** Something that is not the broker: `onSocket` says what it does with a connection. */
async function impostor(port: number, onSocket: (socket: Socket) => void): Promise<Impostor> {
  const sockets = new Set<Socket>();
  let received = '';
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('data', (chunk) => (received += chunk));
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `nats://weir:${SECRET}@127.0.0.1:${(server.address() as { port: number }).port}`,
    sockets,
    received: () => received,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const GREETING = 'INFO {"server_id":"X","version":"2.9.10","headers":true,"max_payload":1048576}\r\n';

test('an address that cannot be understood is refused without being shown', async () => {
  for (const url of [
    `nats://weir:${SECRET}@[bad`,
    `http://weir:${SECRET}@127.0.0.1`,
    `nats://%${SECRET}@h`,
  ]) {
    const error = await errorOf(open(url));
    assert.is(error.code, 'BROKER_UNREACHABLE');
    assert.match(error.message, 'expected a URL such as "nats://127.0.0.1:4222"');
  }
});

test('nothing that listens, or something else that does, is told with the address and without the password', async () => {
  const web = await impostor(0, (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const shown = web.url.replace(`weir:${SECRET}@`, '');
  assert.match(
    (await errorOf(open(web.url))).message,
    `broker: ${shown}: what answers there is no NATS broker`,
  );
  await web.close();
  const error = await errorOf(open(web.url));
  assert.is(error.code, 'BROKER_UNREACHABLE');
  assert.match(error.message, `broker: ${shown}: nothing listens there; check nats.servers`);
});

test('a listener that says nothing is given up, and no socket stays open', async () => {
  const silent = await impostor(0, () => {});
  const startedMs = performance.now();
  const error = await errorOf(open(silent.url));
  assert.match(error.message, /^broker: nats:\/\/127\.0\.0\.1:\d+: no answer in time; /);
  assert.ok(performance.now() - startedMs < CONNECT_MS_MAX + 2_000);
  await until(() => silent.sockets.size === 0, WAIT_MS, 'the socket is closed');
  await silent.close();
});

test('a tls:// address never sends a login in the clear', async () => {
  const plain = await impostor(0, (socket) => socket.write(GREETING));
  const error = await errorOf(open(plain.url.replace('nats:', 'tls:')));
  assert.match(error.message, 'the broker has no TLS');
  assert.is(plain.received(), '');
  await plain.close();
});

test('a credentials file that is missing or holds something else is refused, and not quoted', async () => {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'fw.creds');
  const missing = await errorOf(open('nats://127.0.0.1:1', { creds: path, wait: 'in-background' }));
  assert.is(missing.code, 'CREDENTIALS_UNREADABLE');
  assert.match(
    missing.message,
    `nats.creds: ${path}: expected a readable file, found ENOENT; check nats.creds`,
  );
  assert.is(missing.message.split(path).length, 2);
  const jwtOnly = `-----BEGIN NATS USER JWT-----\n${SECRET}\n------END NATS USER JWT------\n`;
  const wrongSeed = `${jwtOnly}\n-----BEGIN USER NKEY SEED-----\nSU${SECRET}\n------END USER NKEY SEED------\n`;
  for (const text of ['', SECRET, jwtOnly, wrongSeed]) {
    writeFileSync(path, text);
    const error = await errorOf(open('nats://127.0.0.1:1', { creds: path, wait: 'in-background' }));
    assert.is(error.code, 'CREDENTIALS_UNREADABLE');
    assert.match(error.message, `nats.creds: ${path}: expected a NATS credentials file`);
  }
  const account = Buffer.from(nkeys.createAccount().getSeed()).toString();
  for (const text of ['', SECRET, `SU${SECRET}`, account, nkeys.createUser().getPublicKey()]) {
    writeFileSync(path, text);
    const error = await errorOf(open('nats://127.0.0.1:1', { nkey: path, wait: 'in-background' }));
    assert.is(error.code, 'CREDENTIALS_UNREADABLE');
    assert.match(error.message, `nats.nkey: ${path}: expected the seed of a user's nkey (SU...), found`);
    assert.not.match(error.message, text || SECRET);
  }
  const tls = await errorOf(open('nats://127.0.0.1:1', { tls: { ca: join(folder.path, 'no.pem') } }));
  assert.match(tls.message, /nats\.tls\.ca: .*no\.pem: expected a readable file, found ENOENT;/);
  await folder.remove();
});

if (brokerAvailable()) {
  test('login by user and password, by token, and what is wrong is refused at once', async () => {
    const byPassword = await startTestBroker(`authorization { user: "weir", password: "${SECRET}" }`);
    const withLogin = (login: string) => byPassword.url.replace('//', `//${login}@`);
    for (const url of [byPassword.url, withLogin('weir:wrong'), withLogin(SECRET)]) {
      const error = await errorOf(open(url, { wait: 'in-background' }));
      assert.is(error.code, 'BROKER_REFUSED');
      assert.match(error.message, `broker: ${byPassword.url} refuses the credentials`);
    }
    const broker = await open(withLogin(`weir:${SECRET}`));
    assert.is(broker.connected(), true);
    await broker.close();
    assert.is(broker.connected(), false);
    await byPassword.stop();

    const byToken = await startTestBroker(`authorization { token: "${SECRET}" }`);
    await (await open(byToken.url.replace('//', `//${SECRET}@`))).close();
    await byToken.stop();
  });

  test('of several servers the one that is there is found, and a refusal is told before an absence', async () => {
    const server = await startTestBroker('authorization { user: "weir", password: "right" }');
    const away = 'nats://127.0.0.1:1';
    for (let time = 0; time < 4; time++) {
      const broker = await open('', { servers: [away, server.url.replace('//', '//weir:right@')] });
      await broker.close();
      const error = await errorOf(open('', { servers: [away, server.url] }));
      assert.is(error.code, 'BROKER_REFUSED');
    }
    await server.stop();
  });

  test('a credentials file logs in, and one that is replaced is used from the next connection on', async () => {
    const issuer = issueCredentials();
    const server = await startTestBroker(issuer.serverConfig);
    const folder = await temporaryFolder();
    const creds = join(folder.path, 'fw.creds');
    writeFileSync(creds, issuer.strangersCreds());
    assert.is((await errorOf(open(server.url, { creds }))).code, 'BROKER_REFUSED');
    writeFileSync(creds, issuer.creds());
    const notices: string[] = [];
    const broker = await open(server.url, { creds, notice: (line) => notices.push(line) });
    writeFileSync(creds, issuer.strangersCreds());
    await server.kill();
    await until(() => !broker.connected(), WAIT_MS, 'the loss');
    await server.restart();
    await until(() => notices.some((line) => /refuses the credentials/.test(line)), WAIT_MS, 'a notice');
    writeFileSync(creds, issuer.creds());
    await until(() => broker.connected(), WAIT_MS, 'connected with the new file');
    await broker.close();
    await folder.remove();
    await server.stop();
  });

  test('a refusal later on is told once in a while, and ends nothing', async () => {
    const server = await startTestBroker();
    const notices: string[] = [];
    const broker = await open(server.url, { notice: (line) => notices.push(line) });
    await server.kill();
    let attempts = 0;
    const refusing = await impostor(server.port, (socket) => {
      socket.write(GREETING);
      socket.once('data', () => {
        attempts++;
        socket.end("-ERR 'Authorization Violation'\r\n");
      });
    });
    await until(() => attempts >= 3, WAIT_MS, 'three attempts');
    await refusing.close();
    await server.restart();
    await until(() => broker.connected(), WAIT_MS, 'connected again');
    const count = (pattern: RegExp) => notices.filter((line) => pattern.test(line)).length;
    assert.is(count(/BROKER_REFUSED|refuses the credentials/), 1, notices.join('\n'));
    assert.is(count(/^broker: connected to nats:/), 1);
    await broker.close();
    await server.stop();
  });

  test('a broker that is away at first is waited for, in the background', async () => {
    const server = await startTestBroker();
    await server.kill();
    const notices: string[] = [];
    const broker = await open(server.url, { wait: 'in-background', notice: (line) => notices.push(line) });
    assert.is(broker.connected(), false);
    assert.match(notices[0] as string, `${server.url}: nothing listens there; messages wait for it`);
    assert.is((await errorOf(broker.publish(message(1)))).code, 'BROKER_UNREACHABLE');
    assert.is((await errorOf(broker.ensureStream())).code, 'BROKER_UNREACHABLE');
    let connections = 0;
    broker.onConnected(() => connections++);
    let others = 0;
    broker.onConnected(() => others++);
    const heard: number[] = [];
    broker.subscribe('weir.ev.>', (_subject, headers) => heard.push(Number(headers['Weir-Seq'])));
    await server.restart();
    await until(() => connections === 1, WAIT_MS, 'connected');
    await broker.ensureStream();
    await broker.publish(message(1));
    await until(() => heard.length === 1, WAIT_MS, 'what was subscribed to before there was a connection');
    await server.kill();
    await until(() => !broker.connected(), WAIT_MS, 'the loss');
    await server.restart();
    await until(() => connections === 2, WAIT_MS, 'connected again');
    await broker.publish(message(2));
    await until(() => heard.length === 2, WAIT_MS, 'what was subscribed to on an earlier connection');
    assert.equal(heard, [1, 2]);
    assert.is(others, connections);
    await broker.close();
    await server.stop();
  });

  test('closing while the broker is away leaves nothing that goes on', async () => {
    const server = await startTestBroker();
    await server.kill();
    const broker = await open(server.url, { wait: 'in-background' });
    await broker.close();
    await server.restart();
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.is(broker.connected(), false);
    await server.stop();
  });

  test('a subscriber gets subject, headers and body, survives its own errors, and can end', async () => {
    const server = await startTestBroker();
    const notices: string[] = [];
    const broker = await open(server.url, { notice: (line) => notices.push(line) });
    const heard: [string, Readonly<Record<string, string>>, Uint8Array][] = [];
    const subscription = broker.subscribe('weir.ev.>', (...found) => {
      heard.push(found);
      if (heard.length === 1) throw new Error('of the subscriber');
    });
    await broker.flush();
    await broker.ensureStream();
    await broker.publish(message(1));
    await broker.publish(message(2));
    await until(() => heard.length === 2, WAIT_MS, 'both messages');
    const [subject, headers, body] = heard[1] as (typeof heard)[0];
    assert.is(subject, 'weir.ev.a.b.c');
    assert.equal(headers, message(2).headers);
    assert.equal([...body], [2, 2, 2]);
    assert.equal(notices, ['broker: weir.ev.>: of the subscriber']);
    subscription.unsubscribe();
    await broker.publish(message(3));
    await broker.flush();
    assert.is(heard.length, 2);
    await broker.close();
    await server.stop();
  });

  test('a message is stored once, and is told why when it is not', async () => {
    const server = await startTestBroker('max_payload: 2000');
    const broker = await open(server.url);
    const noStream = await errorOf(broker.publish(message(1)));
    assert.is(noStream.code, 'STREAM_REFUSED');
    assert.match(noStream.message, 'no stream takes weir.ev.a.b.c');
    await broker.ensureStream();
    assert.equal(await broker.publish(message(1)), { duplicate: false, sequence: 1 });
    assert.equal(await broker.publish(message(1)), { duplicate: true, sequence: 1 });
    assert.equal(await broker.publish(message(2)), { duplicate: false, sequence: 2 });
    for (const [follows, code] of [
      [1, 'STREAM_MOVED'],
      [3, 'STREAM_BEHIND'],
    ] as const) {
      const misplaced = (await errorOf(broker.publish(message(9), follows))) as Misplaced;
      assert.equal([misplaced.code, misplaced.end], [code, 2]);
    }
    assert.is(await broker.first(), 1);
    assert.ok(broker.hasOneReplica());
    const large = await errorOf(broker.publish(message(3, 'weir.ev.a.b.c', 4_000)));
    assert.match(large.message, 'larger than the broker takes (max_payload)');
    const pending = errorOf(broker.publish(message(4)));
    await server.kill();
    await pending;
    await broker.close();
    await server.stop();
  });
}

test.run();
