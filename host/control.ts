/**
 * How commands of the same machine speak to a running host: a socket in the data folder, for its user alone.
 *
 * One question a connection, one line of JSON each way, with limits of size, number and time; who waits for a probation keeps
 * his connection. Whoever may write the data folder may
 * already decide what runs at the next start, so the socket gives nobody more than he has.
 *
 *     <data>/control.sock
 */
import { chmodSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { takesNothing } from './durable.js';
import { oneLine, WeirError } from './errors.js';
import {
  CONTROL_BYTES_MAX,
  CONTROL_CONNECTIONS_MAX,
  CONTROL_MS_MAX,
  CONTROL_WAIT_MS_MAX,
  SOCKET_PATH_BYTES_MAX,
  TICK_MS,
} from './limits.js';

/** Another version for a filter of the config, with an answer at once or behind its probation; paths are absolute. */
export interface ControlRequest {
  readonly do: 'swap' | 'swap and wait';
  readonly filter: string;
  readonly module: string;
  readonly manifest: string;
}

export interface ControlAnswer {
  readonly ok: boolean;
  readonly lines: readonly string[];
}

export interface Control {
  close(): Promise<void>;
}

function socketPath(dataFolder: string): string {
  const path = join(dataFolder, 'control.sock');
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  const problem = `expected a path of up to ${SOCKET_PATH_BYTES_MAX} bytes for its socket, found ${path}`;
  throw new WeirError('DATA_UNWRITABLE', `data: ${problem}`);
}

/**
 * Listens; the folder is taken, so a socket that is there is left over. Where the disk takes none now, it is told, and tried again until
 * it does.
 */
export async function listenForCommands(
  dataFolder: string,
  handle: (request: ControlRequest) => Promise<readonly string[]>,
  notice: (line: string) => void,
): Promise<Control> {
  const path = socketPath(dataFolder);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    void answerOne(socket, handle);
  });
  server.maxConnections = CONTROL_CONNECTIONS_MAX;
  let timer: NodeJS.Timeout | undefined;

  async function listen(): Promise<void> {
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
  }

  const listenLater = () => {
    timer = setTimeout(() => listen().catch(listenLater), TICK_MS);
  };

  await listen().catch((error) => {
    if (!takesNothing(error)) throw error;
    notice(`control: ${oneLine(error)}; until there is room "weir swap" finds no host`);
    listenLater();
  });
  return {
    async close() {
      clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answerOne(
  socket: Socket,
  handle: (request: ControlRequest) => Promise<readonly string[]>,
): Promise<void> {
  let answer: ControlAnswer;
  try {
    answer = { ok: true, lines: await handle(parseRequest(await readLine(socket, CONTROL_MS_MAX))) };
  } catch (error) {
    answer = { ok: false, lines: [oneLine(error)] };
  }
  if (socket.destroyed) return;
  // Not only its own half: one that never closes the other would hold a place for ever.
  socket.write(`${JSON.stringify(answer)}\n`);
  socket.destroySoon();
}

/** The first line that arrives. Throws when it is too long, takes too long, or does not come. */
function readLine(socket: Socket, msMax: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => fail('took too long'), msMax);
    /** Whatever else comes is not read. */
    const close = () => {
      clearTimeout(timer);
      socket.off('data', read).pause();
    };
    const fail = (what: string) => {
      close();
      reject(new WeirError('USAGE', `control: the other side ${what}`));
    };
    socket.setEncoding('utf8');
    const read = (part: string) => {
      text += part;
      const end = text.indexOf('\n');
      if (end < 0 && text.length > CONTROL_BYTES_MAX) return fail('said too much');
      if (end < 0) return;
      close();
      resolve(text.slice(0, end));
    };
    socket.on('data', read);
    socket.on('error', (error) => fail(oneLine(error)));
    socket.on('close', () => fail('closed the connection'));
  });
}

function parseRequest(line: string): ControlRequest {
  const request = JSON.parse(line) as Partial<Record<string, unknown>> | null;
  const { do: what, filter, module, manifest } = request ?? {};
  const isKnown = what === 'swap' || what === 'swap and wait';
  if (isKnown && [filter, module, manifest].every((text) => typeof text === 'string'))
    return { do: what, filter, module, manifest } as ControlRequest;
  throw new WeirError('USAGE', 'control: expected a swap, found something else');
}

/** Asks the host that runs with this data folder. Throws HOST_UNREACHABLE when there is none, or it ends before it answers. */
export async function askHost(dataFolder: string, request: ControlRequest): Promise<ControlAnswer> {
  const socket = createConnection(socketPath(dataFolder));
  let problem = `no host answers in ${dataFolder}`;
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    problem = `the host in ${dataFolder} was asked, and has not answered`;
    socket.write(`${JSON.stringify(request)}\n`);
    const msMax = request.do === 'swap' ? CONTROL_MS_MAX : CONTROL_WAIT_MS_MAX;
    return JSON.parse(await readLine(socket, msMax)) as ControlAnswer;
  } catch (error) {
    const why = error instanceof WeirError ? error.problem : oneLine(error);
    throw new WeirError('HOST_UNREACHABLE', `${problem}: ${why}`);
  } finally {
    socket.destroy();
  }
}
