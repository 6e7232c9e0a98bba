/**
 * What tests of trust share: a world, what an appliance trusts of it, and how an update goes.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createTrust, type Trust } from '../../host/fleet/trust.js';
import { temporaryFolder } from '../help.js';
import { createWorld, NOW_MS, type World } from './world.js';

export interface Context {
  folder: string;
  world: World;
  trust: Trust;
}

export const PATH = 'assignments/edge.json';
export const DAY_MS = 86_400_000;

/** A suite in which each test begins with a world of which one push is trusted. */
export function trustingSuite(name: string) {
  const trusting = suite<Context>(name);
  trusting.before.each(async (context) => {
    context.folder = join((await temporaryFolder()).path, 'fleet');
    context.world = await createWorld();
    context.trust = createTrust(context.folder, context.world.anchor);
    await context.world.push({ [PATH]: 'first' });
    assert.is(await updated(context), 'first');
  });
  trusting.after.each(({ folder }) => rmSync(join(folder, '..'), { recursive: true, force: true }));
  return trusting;
}

/** Updates; answers what the path holds, or 'same'. */
export async function updated(
  { trust, world }: Context,
  { nowMs = NOW_MS, path = PATH } = {},
): Promise<string | undefined> {
  const update = await trust.update(world.repository.fetch, nowMs, path);
  if (!update) return 'same';
  const bytes = await update.target(path);
  update.commit();
  return bytes?.toString();
}

/** The update is refused for this reason; what was trusted stays, here and for the next process. */
export async function refused(
  context: Context,
  reason: RegExp,
  options: { nowMs?: number; path?: string } = {},
): Promise<void> {
  const before = context.trust.trusted();
  let found: unknown;
  try {
    found = `accepted: ${await updated(context, options)}`;
  } catch (error) {
    found = `${(error as { code?: string }).code} ${(error as Error).message}`;
  }
  assert.match(String(found), reason);
  assert.equal(context.trust.trusted(), before);
  const again = createTrust(context.folder, context.world.anchor);
  assert.equal(again.trusted(), before);
  assert.is(again.target(PATH)?.toString(), context.trust.target(PATH)?.toString());
}

export function change(world: World, path: string, from: string, to: string): void {
  const text = (world.repository.files.get(path) as { bytes: Buffer }).bytes.toString();
  assert.ok(text.includes(from), `${path} has ${from}`);
  world.repository.set(path, Buffer.from(text.replace(from, to)));
}
