import { createHash } from 'node:crypto';

/** SHA-256 in hex, 64 digits; of a text, that of its UTF-8. */
export function sha256Of(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}
