/**
 * Streams of a fleet that are full. What is missing in them must not look as if appliances had not said it, or somebody had taken it out.
 */
import type { Broker } from '../broker.js';
import { WeirError } from '../errors.js';
import { AUDIT_SPARE_BYTES } from '../fleetlimits.js';

/** Those of the streams that take no more, or hardly any; nothing of one at which this user may not look, or that is not there. */
export async function fullStreams(
  broker: Pick<Broker, 'room'>,
  streams: readonly string[],
): Promise<string[]> {
  const full: string[] = [];
  for (const stream of streams) {
    const room = await broker.room(stream).catch((error: unknown) => {
      if (!(error instanceof WeirError)) throw error;
      return Number.POSITIVE_INFINITY;
    });
    if (room < AUDIT_SPARE_BYTES) full.push(stream);
  }
  return full;
}

/** A line for each: what it means, and what helps. */
export function fullLines(streams: readonly string[]): string[] {
  return streams.map(
    (stream) =>
      `stream ${stream} is full: what appliances or operators have said since may be missing here; raise its max_bytes ("nats stream edit")`,
  );
}
