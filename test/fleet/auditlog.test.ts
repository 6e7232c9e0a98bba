/**
 * The audit of an appliance: a chain that is sent whole, in order, and goes on behind what the broker has when the disk was lost.
 */
import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type AuditBroker, createAudit, parseEntry } from '../../host/fleet/audit.js';
import { brokenAt } from './chain.js';
import { createNotes } from '../../host/fleet/notes.js';
import { AUDIT_RETRY_MS_MIN } from '../../host/fleetlimits.js';
import { temporaryFolder, until } from '../help.js';

function fakeBroker(): AuditBroker & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    async publish({ body }, follows) {
      assert.is(follows, lines.length);
      // Others have their turn while it is on its way.
      await Promise.resolve();
      return { sequence: lines.push(Buffer.from(body).toString()) };
    },
    async value() {
      const bytes = lines.at(-1);
      return bytes === undefined
        ? undefined
        : { bytes: Buffer.from(bytes), revision: lines.length, storedMs: 1 };
    },
  };
}

const actions = (lines: readonly string[]) => lines.map((line) => parseEntry(line)?.action);

test('what is written while it is sent is sent, too', async () => {
  const { path, remove } = await temporaryFolder();
  const broker = fakeBroker();
  const audit = createAudit({ folder: path, subject: 's', who: 'fw', now: () => 1 });
  audit.add({ action: 'one' });
  const sending = audit.send(broker);
  audit.add({ action: 'two' });
  await audit.send(broker);
  await sending;
  assert.equal(actions(broker.lines), ['one', 'two']);
  assert.is(brokenAt(broker.lines), undefined);
  assert.is(audit.head().seq, 2);
  await remove();
});

test('what is written while it is asked when the last was stored is sent by the same sending', async () => {
  const { path, remove } = await temporaryFolder();
  const broker = fakeBroker();
  const { value } = broker;
  const audit = createAudit({ folder: path, subject: 's', who: 'fw', now: () => 1 });
  const late = ['two', 'three'];
  const others: Promise<unknown>[] = [];
  broker.value = async (...args) => {
    const found = await value(...args);
    const action = found && late.shift();
    if (action !== undefined) {
      audit.add({ action });
      others.push(audit.send(broker));
    }
    return found;
  };
  audit.add({ action: 'one' });
  await audit.send(broker);
  await Promise.all(others);
  assert.equal(actions(broker.lines), ['one', 'two', 'three']);
  assert.is(brokenAt(broker.lines), undefined);
  await remove();
});

test('what is written in any turn around the end of a sending is sent', async () => {
  for (let turn = 0; turn < 12; turn++) {
    const { path, remove } = await temporaryFolder();
    const broker = fakeBroker();
    const { value } = broker;
    const audit = createAudit({ folder: path, subject: 's', who: 'fw', now: () => 1 });
    const added = new Promise<unknown>((resolve) => {
      let left = turn;
      const add = () => {
        if (left-- > 0) return queueMicrotask(add);
        audit.add({ action: 'two' });
        resolve(audit.send(broker));
      };
      broker.value = async (...args) => {
        const found = await value(...args);
        if (found && left === turn) queueMicrotask(add);
        return found;
      };
    });
    audit.add({ action: 'one' });
    await audit.send(broker);
    await added;
    assert.equal(actions(broker.lines), ['one', 'two'], `in turn ${turn}`);
    await remove();
  }
});

test('a kill in the middle of a line costs that line', async () => {
  const { path, remove } = await temporaryFolder();
  const open = () => createAudit({ folder: path, subject: 's', who: 'fw', now: () => 1 });
  const audit = open();
  audit.add({ action: 'one' });
  audit.add({ action: 'two' });
  truncateSync(join(path, 'audit.jsonl'), 120);
  const again = open();
  again.add({ action: 'three' });
  const broker = fakeBroker();
  await again.send(broker);
  assert.equal(actions(broker.lines), ['one', 'three']);
  assert.is(brokenAt(broker.lines), undefined);
  await remove();
});

test('with a new data folder the chain goes on behind what the broker has', async () => {
  const { path, remove } = await temporaryFolder();
  const open = () => createAudit({ folder: path, subject: 's', who: 'fw', now: () => 1 });
  const broker = fakeBroker();
  const before = open();
  for (const action of ['one', 'two', 'three']) before.add({ action });
  await before.send(broker);
  rmSync(join(path, 'audit.jsonl'));
  const after = open();
  for (const action of ['four', 'five']) after.add({ action });
  await after.send(broker);
  after.add({ action: 'six' });
  await after.send(broker);
  assert.equal(actions(broker.lines), ['one', 'two', 'three', 'audit goes on', 'four', 'five', 'six']);
  assert.is(brokenAt(broker.lines), undefined);
  assert.is(after.head().seq, 7);
  const again = open();
  await again.send(broker);
  assert.is(broker.lines.length, 7, 'nothing is sent twice');
  assert.is(again.head().digest, after.head().digest);
  await remove();
});

test('what the broker does not take is sent again, told once, and so is what it has lost', async () => {
  const { path, remove } = await temporaryFolder();
  const broker = { ...fakeBroker(), connected: () => true };
  const { value } = broker;
  let failing = 2;
  const told: string[] = [];
  const audit = createAudit({ folder: path, subject: 's', who: 'fw', now: () => 1 });
  const print = (line: string) => void told.push(line);
  const notes = createNotes({ audit, broker: () => broker, now: Date.now, print });
  broker.value = async (...args) => {
    if (failing-- > 0) throw new Error('no stream');
    return value(...args);
  };
  notes.note({ action: 'one' });
  const isSent = () => broker.lines.length === 1;
  await until(isSent, 4 * AUDIT_RETRY_MS_MIN, 'it is sent');
  assert.equal(told, ['fleet: audit: no stream']);
  broker.lines.length = 0;
  notes.send();
  await until(isSent, AUDIT_RETRY_MS_MIN, 'it is sent again');
  assert.equal(actions(broker.lines), ['one']);
  notes.stop();
  await remove();
});

test.run();
