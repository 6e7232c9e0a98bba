/**
 * How the short forms judge a scenario.
 */
import * as assert from 'uvu/assert';
import type { ScenarioResult } from './kills.js';

/** Fails where subscribers could tell the tried host from an undisturbed one. */
export async function same(scenario: Promise<ScenarioResult>): Promise<void> {
  const { differences, messages, scenario: name } = await scenario;
  assert.equal(differences, [], name);
  assert.ok(messages > 0, 'something was compared');
}
