/**
 * The `syslog` source: messages from other hosts and from this one, over UDP and TCP.
 *
 * UDP: one datagram is one event (RFC 5426 section 3.1). Datagrams cannot wait; when the inbox is full the oldest
 * events go, counted. TCP: framed as RFC 6587 says; a connection is not read while the inbox is full, so its
 * sender waits. What a peer sends can only harm its own connection. Connections are limited, and one that stays
 * silent is closed; nothing is ever sent back. Messages are not parsed here.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { systemCode, WeirError } from '../errors.js';
import { SYSLOG_CONNECTIONS_MAX, SYSLOG_IDLE_MS, SYSLOG_RECEIVE_BUFFER_BYTES } from '../limits.js';
import { createFeed, type Feed } from './feed.js';
import { createFraming, type Framing } from './framing.js';
import { createInbox, INBOX_DEFAULTS, type Inbox, type InboxOptions } from './inbox.js';
import { createNotices, type Notices } from './notices.js';
import type { Source } from './source.js';

/** Where to listen, each as `host:port` with IPv6 addresses in brackets; port 0 takes a free one. */
export interface SyslogAddresses {
  readonly udp?: string;
  readonly tcp?: string;
}

export interface SyslogOptions {
  readonly connectionsMax?: number;
  readonly idleMs?: number;
  readonly inbox?: InboxOptions;
}

export interface SyslogSource extends Source {
  /** Where it listens, once it is open, with the port that it really has. */
  addresses(): SyslogAddresses;
  /** Messages that were longer than the limit, or whose connection ended within them. */
  truncatedEvents(): number;
}

export function createSyslogSource(
  name: string,
  listen: SyslogAddresses,
  options: SyslogOptions = {},
): SyslogSource {
  const inbox = createInbox(options.inbox ?? INBOX_DEFAULTS);
  const notices = createNotices(name);
  const connections = createConnections(inbox, notices, {
    connectionsMax: options.connectionsMax ?? SYSLOG_CONNECTIONS_MAX,
    idleMs: options.idleMs ?? SYSLOG_IDLE_MS,
  });
  let udp: UdpSocket | undefined;
  let tcp: Server | undefined;

  async function close(): Promise<void> {
    connections.close();
    await Promise.all(
      [udp, tcp].map((socket) => new Promise<void>((done) => (socket ? socket.close(() => done()) : done()))),
    );
    udp = undefined;
    tcp = undefined;
    inbox.end();
  }

  return {
    name,
    async open() {
      if (listen.udp === undefined && listen.tcp === undefined) {
        throw new WeirError(
          'SOURCE_INVALID',
          `source ${name}: expected an address for udp or tcp, found none`,
        );
      }
      const udpAddress = listen.udp === undefined ? undefined : parseAddress(name, 'udp', listen.udp);
      const tcpAddress = listen.tcp === undefined ? undefined : parseAddress(name, 'tcp', listen.tcp);
      try {
        if (udpAddress) udp = await listenUdp(udpAddress, inbox, notices);
        if (tcpAddress) tcp = await listenTcp(tcpAddress, connections.accept, notices);
      } catch (error) {
        await close();
        throw error;
      }
    },
    cursor: inbox.cursor,
    onData: inbox.onData,
    onNotice: notices.onNotice,
    close,
    addresses: () => ({
      ...(udp && { udp: formatAddress(udp.address()) }),
      ...(tcp && { tcp: formatAddress(tcp.address()) }),
    }),
    truncatedEvents: inbox.truncatedEvents,
  };
}

interface Address {
  readonly host: string;
  readonly port: number;
  /** How it reads in a message, as in `source syslog: udp 127.0.0.1:514`. */
  readonly label: string;
}

const PORT_MAX = 65_535;

function parseAddress(source: string, protocol: 'udp' | 'tcp', text: string): Address {
  const label = `source ${source}: ${protocol} ${text}`;
  const [, inBrackets, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = inBrackets ?? plain;
  const port = Number(digits);
  if (host !== undefined && port <= PORT_MAX && (inBrackets === undefined || isIPv6(inBrackets))) {
    return { host, port, label };
  }
  throw new WeirError(
    'SOURCE_INVALID',
    `source ${source}: expected ${protocol} as host:port, found "${text}"`,
  );
}

function formatAddress(address: ReturnType<Server['address']>): string {
  if (address === null || typeof address === 'string') return String(address);
  return `${isIPv6(address.address) ? `[${address.address}]` : address.address}:${address.port}`;
}

/** Waits until `socket` listens; `begin` asks it to. */
function listening<T extends UdpSocket | Server>(socket: T, label: string, begin: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      const problem = `${label}: expected to listen there, found ${whyNot(error)}`;
      socket.close(() => {});
      const code = systemCode(error) === 'EADDRNOTAVAIL' ? 'ADDRESS_MISSING' : 'PORT_UNAVAILABLE';
      reject(new WeirError(code, problem, { cause: error }));
    };
    socket.once('error', failed);
    socket.once('listening', () => {
      socket.off('error', failed);
      resolve(socket);
    });
    begin();
  });
}

function whyNot(error: Error): string {
  const code = systemCode(error);
  if (code === 'EADDRINUSE') return 'that another program does (EADDRINUSE)';
  if (code === 'EACCES') return 'that this user may not (EACCES)';
  if (code === 'EADDRNOTAVAIL') return 'no such address on this host (EADDRNOTAVAIL)';
  return code || error.message;
}

async function listenUdp({ host, port, label }: Address, inbox: Inbox, notices: Notices): Promise<UdpSocket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('message', (datagram) => inbox.append(withoutTrailer(datagram)));
  await listening(socket, label, () => socket.bind(port, host));
  const sayError = notices.limited();
  socket.on('error', (error) => sayError(`udp: ${error.message}`));
  try {
    socket.setRecvBufferSize(SYSLOG_RECEIVE_BUFFER_BYTES);
  } catch {
    // The kernel's own size then has to do; a host without this right must still get its events.
  }
  return socket;
}

/** Senders end datagrams with LF, CR LF or NUL (RFC 6587 section 3.4.2 tells of the same ones over TCP). */
function withoutTrailer(datagram: Uint8Array): Uint8Array {
  let end = datagram.length;
  while (end > 0 && (datagram[end - 1] === 10 || datagram[end - 1] === 13 || datagram[end - 1] === 0))
    end -= 1;
  return datagram.subarray(0, end);
}

async function listenTcp(
  { host, port, label }: Address,
  accept: (socket: Socket) => void,
  notices: Notices,
): Promise<Server> {
  const server = createServer(accept);
  await listening(server, label, () => server.listen(port, host));
  const sayError = notices.limited();
  server.on('error', (error) => sayError(`tcp: ${error.message}`));
  return server;
}

interface Connections {
  accept(socket: Socket): void;
  /** Keeps what has arrived and ends all of them. */
  close(): void;
}

interface ConnectionLimits {
  readonly connectionsMax: number;
  readonly idleMs: number;
}

function createConnections(inbox: Inbox, notices: Notices, limits: ConnectionLimits): Connections {
  /** Also those whose peer has gone while bytes of theirs still wait: that is memory too. */
  const open = new Map<Socket, Feed>();
  const sayRefused = notices.limited();
  const sayBadCounts = notices.limited();
  const sayError = notices.limited();

  function accept(socket: Socket): void {
    const peer = socket.remoteAddress ?? 'a peer that has gone';
    if (open.size >= limits.connectionsMax) {
      socket.destroy();
      sayRefused(`refused a connection from ${peer}: ${open.size} are open, which is the limit`);
      return;
    }
    let framing: Framing | undefined;
    const feed = createFeed({
      stream: socket,
      inbox,
      createParser: (...of) => {
        framing = createFraming(...of);
        return framing;
      },
      onEnd() {
        open.delete(socket);
        const badCounts = framing?.badCounts() ?? 0;
        if (badCounts > 0)
          sayBadCounts(`${peer} began ${badCounts} frames with digits that are no octet count`);
      },
      onError: (error) =>
        sayError(`the connection from ${peer} broke (${systemCode(error) || error.message})`),
    });
    open.set(socket, feed);
    socket.setTimeout(limits.idleMs, () => {
      const bytesBefore = socket.bytesRead;
      // A host that slept runs its timers first: what came meanwhile is read before the connection is judged.
      setImmediate(() => {
        const isSilent = socket.bytesRead === bytesBefore && !feed.isWaiting();
        if (isSilent) socket.destroy();
        else socket.setTimeout(limits.idleMs);
      });
    });
  }

  return {
    accept,
    close() {
      for (const [socket, feed] of open) {
        feed.finish();
        socket.destroy();
      }
    },
  };
}
