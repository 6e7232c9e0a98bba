/**
 * What is said against a module, for tests of modules that mean harm.
 */
import * as assert from 'uvu/assert';
import { judge } from '../../host/filter/admit.js';

/** On a machine that does much else: most take a few milliseconds. */
const JUDGED_MS_MAX = 5_000;

/** The reasons against a module, each as `code: sentence`; none may take long. */
export function reasons(module: Uint8Array): string[] {
  const startMs = performance.now();
  const verdict = judge(module);
  const ms = performance.now() - startMs;
  assert.ok(ms < JUDGED_MS_MAX, `judged in ${Math.round(ms)} ms`);
  return verdict.reasons.map(({ code, sentence }) => `${code}: ${sentence}`);
}

export function refused(module: Uint8Array, expected: RegExp, what: string): void {
  const found = reasons(module);
  assert.match(found.join('\n'), expected, what);
  assert.not.match(found.join(''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, what);
}
