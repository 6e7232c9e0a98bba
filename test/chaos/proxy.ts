/**
 * A TCP proxy on loopback in front of a port: it delays, cuts connections after so many bytes, and can be closed for a while.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export type Direction = 'to server' | 'to client';

export interface Link {
  readonly port: number;
  /** Cuts all connections when so many more bytes have gone that way; resolves when that has happened. */
  cutAfter(direction: Direction, bytes: number): Promise<void>;
  /** Cuts all connections now; with `isClosed` new ones, too, until it is opened. */
  cut(isClosed?: boolean): void;
  open(): void;
  /** Bytes go on after so long, in both directions. */
  delay(ms: number): void;
  stop(): Promise<void>;
}

export async function startProxy(target: number): Promise<Link> {
  const sockets = new Set<Socket>();
  let isOpen = true;
  let delayMs = 0;
  let limit: { direction: Direction; bytes: number; done: () => void } | undefined;

  function cut(): void {
    for (const socket of sockets) socket.destroy();
    limit?.done();
    limit = undefined;
  }

  /** What may still go that way; the last part of it is the end. */
  function pass(chunk: Buffer, to: Socket, direction: Direction): void {
    if (limit?.direction !== direction) return void to.write(chunk);
    const part = chunk.subarray(0, limit.bytes);
    limit.bytes -= part.length;
    if (limit.bytes > 0) return void to.write(part);
    // What was written must have gone before the connection does.
    to.end(part, cut);
  }

  function pipe(from: Socket, to: Socket, direction: Direction): void {
    sockets.add(from);
    from.on('error', () => {});
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    // One behind the other, also when the delay becomes shorter.
    let passed: Promise<void> | undefined;
    from.on('data', (chunk: Buffer) => {
      if (delayMs === 0 && !passed) return pass(chunk, to, direction);
      const dueMs = performance.now() + delayMs;
      const mine = (passed ?? Promise.resolve())
        .then(() => pause(Math.max(dueMs - performance.now(), 0)))
        .then(() => pass(chunk, to, direction))
        .finally(() => {
          if (passed === mine) passed = undefined;
        });
      passed = mine;
    });
  }

  const server = createServer((client) => {
    if (!isOpen) return void client.destroy();
    const upstream = connect(target, '127.0.0.1');
    pipe(client, upstream, 'to server');
    pipe(upstream, client, 'to client');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    cutAfter: (direction, bytes) =>
      new Promise((done) => {
        limit = { direction, bytes, done };
      }),
    cut(isClosed = false) {
      isOpen = !isClosed;
      cut();
    },
    open() {
      isOpen = true;
    },
    delay(ms) {
      delayMs = ms;
    },
    async stop() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
