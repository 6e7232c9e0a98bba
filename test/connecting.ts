/**
 * What the tests of connections to a broker share.
 */
import * as assert from 'uvu/assert';
import { type Broker, type BrokerOptions, connectBroker } from '../host/broker.js';
import type { WeirError } from '../host/errors.js';
import { HEADER, type Message } from '../host/wire.js';

/** A password that no error may show. */
export const SECRET = 'hunter2';

export function open(url: string, options: Partial<BrokerOptions> = {}): Promise<Broker> {
  return connectBroker({ servers: [url], name: 'test', wait: 'fail-fast', notice: () => {}, ...options });
}

/** The error of something that must fail; never one that holds the secret. */
export async function errorOf(work: Promise<unknown>): Promise<WeirError> {
  const error = await work.then(
    () => assert.unreachable('expected an error'),
    (thrown) => thrown,
  );
  assert.instance(error, Error);
  assert.not.match(`${error.message} ${error.stack}`, SECRET);
  return error;
}

export function message(number: number, subject = 'weir.ev.a.b.c', bodyBytes = 3): Message {
  const headers = { [HEADER.messageId]: `${subject}/${number}`, 'Weir-Seq': `${number}` };
  return { subject, headers, body: Buffer.alloc(bodyBytes, number) };
}
