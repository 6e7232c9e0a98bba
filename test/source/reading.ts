/**
 * What the tests of sources share: a seeded chance, reading a cursor as the engine does, and sending datagrams.
 */
import { createSocket } from 'node:dgram';
import type { Cursor, Source } from '../../host/source/source.js';
import { until } from '../help.js';

/** Numbers from 0 up to `below`, the same ones for the same seed (mulberry32). */
export function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Cuts `bytes` into pieces of 0 to `pieceBytesMax` bytes. */
export function* pieces(bytes: Buffer, random: (below: number) => number, pieceBytesMax: number) {
  for (let at = 0; at < bytes.length; ) {
    const end = at + random(pieceBytesMax + 1);
    yield bytes.subarray(at, end);
    at = end;
  }
}

/** Everything that there is to read now, moved past. */
export function readText(cursor: Cursor): string {
  const target = Buffer.alloc(1 << 16);
  let text = '';
  for (let { bytes } = cursor.read(target); bytes > 0; { bytes } = cursor.read(target)) {
    text += target.toString('latin1', 0, bytes);
    cursor.advance(bytes);
  }
  return text;
}

/** Reads until `isComplete` likes what has come since the call. */
export async function readUntil(
  cursor: Cursor,
  isComplete: (text: string) => boolean,
  what: string,
): Promise<string> {
  let text = '';
  const hasCome = () => {
    text += readText(cursor);
    return isComplete(text);
  };
  await until(hasCome, 20_000, what);
  return text;
}

export function noticesOf(source: Source): string[] {
  const notices: string[] = [];
  source.onNotice((line) => notices.push(line));
  return notices;
}

/** The port of a `host:port`. */
export function portOf(address: string | undefined): number {
  return Number(/:(\d+)$/.exec(address ?? '')?.[1]);
}

export async function sendDatagrams(address: string, datagrams: readonly Uint8Array[]): Promise<void> {
  const host = address.startsWith('[') ? '::1' : '127.0.0.1';
  const client = createSocket(host === '::1' ? 'udp6' : 'udp4');
  for (const datagram of datagrams) {
    await new Promise((sent) => client.send(datagram, portOf(address), host, sent));
  }
  await new Promise<void>((closed) => client.close(closed));
}
