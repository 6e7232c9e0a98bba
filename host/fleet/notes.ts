/**
 * Writes down what is done on an appliance, and brings it to the broker that is there now.
 *
 * A broker may have no stream for it for a while, or one that has lost what it had: each sending looks how far the stream goes. Who sends is the one
 * who has something new, a connection or a look that begins, and after a failure a clock, after waits that grow.
 */
import { randomInt } from 'node:crypto';
import { oneLine } from '../errors.js';
import { AUDIT_RETRY_MS_MAX, AUDIT_RETRY_MS_MIN, AUDIT_WAITING_MAX } from '../fleetlimits.js';
import { seldom } from '../seldom.js';
import type { Act, AuditBroker, AuditLog } from './audit.js';

export interface NotesOptions {
  readonly audit: AuditLog;
  readonly broker: () => (AuditBroker & { connected(): boolean }) | undefined;
  readonly now: () => number;
  readonly print: (line: string) => void;
  /** Something was stored just now, at this time by the broker's clock. */
  readonly stored?: (atMs: number) => void;
}

export interface Notes {
  note(act: Act): void;
  /** Writes what the disk has not taken yet, then sends. */
  flush(): void;
  /** Sends what the broker has not, or has lost. */
  send(): void;
  stop(): void;
}

export function createNotes({ audit, broker, now, print, stored = () => {} }: NotesOptions): Notes {
  const tellSeldom = seldom(print);
  /** What the disk has not taken yet. */
  const waiting: Act[] = [];
  let failures = 0;
  let told: string | undefined;
  let timer: NodeJS.Timeout | undefined;

  /** Trouble that goes on is told once. */
  function tell(error: unknown): void {
    const text = oneLine(error);
    if (text !== told) print(`fleet: audit: ${text}`);
    told = text;
  }

  function send(): void {
    clearTimeout(timer);
    const to = broker();
    if (!to?.connected()) return;
    audit.send(to).then(
      (atMs) => {
        failures = 0;
        told = undefined;
        if (atMs !== undefined) stored(atMs);
      },
      (error) => {
        // A host that is put together anew closes its connection in the middle; what was not sent goes over the next one.
        if (to === broker()) tell(error);
        clearTimeout(timer);
        timer = setTimeout(send, waitMs(failures++)).unref();
      },
    );
  }

  function flush(): void {
    try {
      for (; waiting[0]; waiting.shift()) audit.add(waiting[0]);
    } catch (error) {
      tellSeldom(`fleet: audit: ${oneLine(error)}; entries wait until there is room`);
    }
    send();
  }

  return {
    note(act) {
      if (waiting.length < AUDIT_WAITING_MAX) waiting.push({ ts: now(), ...act });
      else print(`fleet: audit: no room for an entry, which is left out: ${act.action}`);
      flush();
    },
    flush,
    send,
    stop: () => clearTimeout(timer),
  };
}

/** Up to half of it is random, so that a fleet does not come all at once. */
function waitMs(failures: number): number {
  const whole = Math.min(AUDIT_RETRY_MS_MIN * 2 ** Math.min(failures, 16), AUDIT_RETRY_MS_MAX);
  return whole / 2 + randomInt(whole / 2);
}
