/**
 * A chain of an audit, for tests.
 */
import { type AuditHead, brokenLink, headOf } from '../../host/fleet/audit.js';

/** What is wrong with a chain, from its first line on; nothing when it is whole. */
export function brokenAt(lines: readonly string[]): string | undefined {
  let before: AuditHead | undefined;
  for (const line of lines) {
    const broken = brokenLink(before, line);
    if (broken !== undefined) return broken;
    before = headOf(line);
  }
  return undefined;
}
