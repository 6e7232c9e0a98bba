/**
 * Writes down what is done on an appliance, and brings it to the broker that is there now.
 *
 * A broker may have no stream for it for a while, or one that has lost what it had: each sending looks how far the stream goes. Who sends is the one
 * who has something new, a connection or a look that begins, and after a failure a clock, after waits that grow.
 */
import { randomInt } from 'node:crypto';
import { oneLine } from '../errors.js';
import { AUDIT_RETRY_MS_MAX, AUDIT_RETRY_MS_MIN } from '../fleetlimits.js';
import type { Act, AuditBroker, AuditLog } from './audit.js';

export interface Notes {
  note(act: Act): void;
  /** Sends what the broker has not, or has lost. */
  send(): void;
  stop(): void;
}

export function createNotes(
  audit: AuditLog,
  broker: () => (AuditBroker & { connected(): boolean }) | undefined,
  print: (line: string) => void,
  /** Something was stored just now, at this time by the broker's clock. */
  stored: (atMs: number) => void = () => {},
): Notes {
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

  return {
    note(act) {
      try {
        audit.add(act);
      } catch (error) {
        tell(error);
      }
      send();
    },
    send,
    stop: () => clearTimeout(timer),
  };
}

/** Up to half of it is random, so that a fleet does not come all at once. */
function waitMs(failures: number): number {
  const whole = Math.min(AUDIT_RETRY_MS_MIN * 2 ** Math.min(failures, 16), AUDIT_RETRY_MS_MAX);
  return whole / 2 + randomInt(whole / 2);
}
