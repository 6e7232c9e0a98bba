/**
 * What the host keeps on disk of each filter, and how it goes on from there: the spool with its outbox and courier, and the
 * checkpoints.
 *
 *     <data>/spool/<filter>/          messages that wait, and what was done since the older checkpoint
 *     <data>/checkpoints/<filter>/    what the filter remembered, and how far it had come
 *
 * A segment of the spool goes when the broker has all of it, that is written down, and no checkpoint needs it.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type CheckpointFolder, openCheckpoints } from './checkpoint.js';
import type { Config } from './config.js';
import { type Courier, createCourier } from './courier.js';
import type { Engine } from './engine.js';
import { oneLine } from './errors.js';
import { firstGood, type Head, headOf, startable } from './head.js';
import {
  CHECKPOINT_CALLS_MAX,
  CHECKPOINT_EVERY_MS,
  CHECKPOINT_SPOOL_BYTES,
  COURIER_BYTES,
  COURIER_BYTES_MIN,
  NOTE_PUBLISHED_MS,
  OUTBOX_ROWS_MAX,
} from './limits.js';
import { createOutbox, type Outbox } from './outbox.js';
import { commitAll, type Running } from './running.js';
import { goOn, type Since, standingOf } from './resume.js';
import { seldom } from './seldom.js';
import type { Position } from './source/source.js';
import { createSpoolSpace, type SpoolSpace } from './spool/space.js';
import { readMessageHead } from './spool/payload.js';
import { type Commit, readCommit, type SentMessage } from './spool/rows.js';
import type { Spool } from './spool/spool.js';
import type { Installed } from './versions.js';
import { DEAD_STREAM, NAME_PATTERN } from './wire.js';

/** What is kept of one filter. */
interface Kept {
  readonly installed: Installed;
  readonly folder: CheckpointFolder;
  readonly checkpoint: { readonly head: Head; readonly memory: Uint8Array } | undefined;
  readonly spool: Spool;
  /** What it holds behind the checkpoint, until it is done again. */
  since: Since;
  readonly outbox: Outbox;
  readonly courier: Courier;
  /** Entries of the spool up to this one are in both checkpoints. */
  through: { older: number; newer: number };
  savedAtMs: number;
  saving: Promise<void> | undefined;
  /** A checkpoint is to be made as soon as that is possible. */
  isWanted: boolean;
}

export interface Store {
  /** What to start: what ran when the last checkpoint was made, or else what is installed. */
  toStart(instance: string): Installed;
  /** What ran then was neither on probation nor out: it may come back where what is installed now is at fault. */
  wasGood(instance: string): boolean;
  outbox(instance: string): Outbox;
  couriers(): readonly Courier[];
  /** Where a filter had come to in a source when its checkpoint was made. */
  position(instance: string, source: string): Position | undefined;
  /** Puts every filter of the engine where it was, and writes what that is. */
  resume(engine: Engine): void;
  /** Resolves when the checkpoints that are being written are written, or cannot be. */
  saved(): Promise<void>;
  /** A filter runs another version, or was put back: what was done before does not lead there. */
  versionChanged(instance: string, installed: Installed): void;
  /** After each turn of the engine: makes room in inboxes. */
  look(): void;
  /** The broker has one more message. */
  stored(): void;
  /** Once a second. */
  tick(): void;
  /** Writes everything, for an orderly end. */
  close(): Promise<void>;
  space: SpoolSpace;
}

export interface StoreOptions {
  readonly config: Config;
  readonly installed: readonly Installed[];
  readonly notice: (line: string) => void;
  /** There is something new to be published. */
  readonly onAppended: () => void;
}

export function createStore({ config, installed, notice, onAppended }: StoreOptions): Store {
  const { data, appliance, limits, disk } = config;
  const isSafe = disk.sync !== 'none';
  /** Both are tried again every second, for as long as a disk is full. */
  const [tellNoCheckpoint, tellNoRelease] = [seldom(notice), seldom(notice)];
  const space = createSpoolSpace({
    dataFolder: data,
    bytesMax: limits.spoolBytes,
    freeBytes: disk.freeBytes,
    sync: disk.sync,
    notice,
    onSafe: onAppended,
  });
  const courierBytes = Math.max(COURIER_BYTES / Math.max(installed.length, 1), COURIER_BYTES_MIN);
  let engine: Engine | undefined;
  /** When it is written down again how far messages have gone out. */
  let noteAtMs = 0;
  const produced = (instance: string, stream: string) => {
    const running = engine?.running(instance);
    if (!running) return Number.POSITIVE_INFINITY;
    return stream === DEAD_STREAM ? running.deadLetters.seq() : running.pack.seq(stream);
  };
  const open = (one: Installed) =>
    openKept(one, { appliance, data, space, courierBytes, notice, onAppended, produced });
  const kept = new Map(installed.map((one) => [one.entry.instance, open(one)]));

  const of = (instance: string) => kept.get(instance) as Kept;
  /** Of filters that the config has not any more: what they hold goes out all the same. */
  const leftOver = instancesWithSpool(data)
    .filter((instance) => !kept.has(instance))
    .map((instance) => openLeftOver(instance, { appliance, data, space, courierBytes, notice }));
  const versions = new Map([...kept].map(([instance, one]) => [instance, one.installed]));

  /** Writes a checkpoint of a filter, unless it is in the middle of something. */
  function save(instance: string, one: Kept, safely: boolean): void {
    const running = engine?.running(instance);
    one.isWanted = true;
    if (!running || running.slot.isBusy() || one.saving) return;
    running.pack.cut();
    if (!commitAll(running)) return;
    const { standing, memory } = standingOf(running);
    const version = versions.get(instance) as Installed;
    const done = () => {
      one.saving = undefined;
      one.through = { older: one.through.newer, newer: standing.through };
      if (one.isWanted) save(instance, one, isSafe);
    };
    const failed = (error: unknown) => {
      one.saving = undefined;
      one.isWanted = true;
      tellNoCheckpoint(
        `filter ${instance}: no checkpoint: ${oneLine(error)}; after a kill more has to be read again`,
      );
    };
    one.savedAtMs = performance.now();
    try {
      const head = headOf(version, standing, one.folder.keepModule(version.loaded.module));
      one.isWanted = false;
      // At once where the filter waits for it.
      one.saving = one.folder.save(head, memory, safely && !running.isUnmarked)?.then(done, failed);
      if (!one.saving) {
        running.isUnmarked = false;
        done();
      }
      one.outbox.mark();
      for (const cursor of running.lanes) cursor.settle();
    } catch (error) {
      failed(error);
    }
  }

  /** Lets go what nobody needs any more. */
  function release(one: Pick<Kept, 'courier' | 'spool' | 'through'>): void {
    const through = Math.min(one.courier.settled(), one.through.older);
    const goes = one.spool.isReleasable(through);
    try {
      // Else the broker tells; it is only so that a loss there is noticed.
      if (goes || performance.now() >= noteAtMs) one.courier.save(goes && isSafe);
      if (goes) one.spool.release(through, disk.keepMs);
    } catch (error) {
      tellNoRelease(`spool: ${oneLine(error)}`);
    }
  }

  function keepUp(): void {
    const isNoted = performance.now() >= noteAtMs;
    for (const [instance, one] of kept) {
      if (isDue(one, space)) save(instance, one, isSafe);
      release(one);
    }
    for (const one of leftOver) release(one);
    if (isNoted) noteAtMs = performance.now() + NOTE_PUBLISHED_MS;
  }

  return {
    space,
    toStart: (instance) => of(instance).installed,
    wasGood(instance) {
      const { isOut = false, isOnProbation = false } = of(instance).checkpoint?.head.standing ?? {};
      return !isOut && !isOnProbation;
    },
    outbox: (instance) => of(instance).outbox,
    couriers: () => [...kept.values(), ...leftOver].map(({ courier }) => courier),
    position(instance, source) {
      const { checkpoint, since } = of(instance);
      return since.commits.at(-1)?.positions[source] ?? checkpoint?.head.standing.positions[source];
    },
    resume(started) {
      engine = started;
      for (const [instance, one] of kept) {
        const running = started.running(instance) as Running;
        const { standing, memory } = standsAt(one, running);
        const isOther = standing.isOut || standing.filter !== running.slot.filter().label;
        const { isExact, lostEvents } = goOn(running, standing, isOther ? NO_MEMORY : memory, one.since);
        one.since = { messages: [], damaged: [], commits: [] };
        one.courier.resumed();
        if (!isExact && !standing.isOut) notice(notExact(instance, lostEvents));
        save(instance, one, false);
      }
    },
    async saved() {
      for (const { saving } of kept.values()) await saving;
    },
    versionChanged(instance, next) {
      versions.set(instance, next);
      save(instance, of(instance), false);
      // That one outlives a kill; the next one a loss of power, too.
      of(instance).isWanted = true;
    },
    look() {
      for (const [instance, one] of kept) {
        const running = engine?.running(instance);
        // What cannot be read again lies in memory that a loss of power takes anyway.
        if (running?.lanes.some((cursor) => cursor.isPressed())) save(instance, one, false);
      }
    },
    stored() {
      if (space.isTight()) keepUp();
    },
    tick() {
      space.tick();
      keepUp();
    },
    async close() {
      noteAtMs = 0;
      for (const [instance, one] of kept) {
        await one.saving;
        save(instance, one, isSafe);
        await one.saving;
        release(one);
        one.courier.close();
      }
      for (const one of leftOver) {
        release(one);
        one.courier.close();
      }
      await space.close();
    },
  };
}

/** A checkpoint is due: for what was done, or because a spool could let go what only older ones need. */
function isDue({ outbox, savedAtMs, courier, through, isWanted }: Kept, space: SpoolSpace): boolean {
  // A spool that is full of what is in the last checkpoint alone: nothing is read, so nothing else would ever make another one.
  const isHolding = through.newer > through.older && courier.settled() > through.older;
  if (!outbox.isDirty()) return isWanted || (isHolding && space.isTight());
  return (
    isWanted ||
    performance.now() - savedAtMs >= CHECKPOINT_EVERY_MS ||
    outbox.calls() >= CHECKPOINT_CALLS_MAX ||
    outbox.bytes() >= CHECKPOINT_SPOOL_BYTES ||
    // What the broker has could go, if it were not for the checkpoints.
    (courier.settled() > through.newer && space.isTight())
  );
}

interface OpenOptions extends Pick<StoreOptions, 'notice' | 'onAppended'> {
  readonly appliance: string;
  readonly data: string;
  readonly space: SpoolSpace;
  readonly courierBytes: number;
  /** Number of the last message of a stream that was made. */
  readonly produced: (instance: string, stream: string) => number;
}

/** What is there of a filter. */
function openKept(one: Installed, options: OpenOptions): Kept {
  const { appliance, data, space, courierBytes, notice, onAppended, produced } = options;
  const { instance } = one.entry;
  const folder = openCheckpoints(join(data, 'checkpoints', instance), notice);
  const checkpoint = firstGood(folder.load(), instance, notice);
  const through = checkpoint?.head.standing.through ?? 0;
  const spool = space.open(instance, through);
  const outbox = createOutbox({ spool, space, onAppended });
  const courier = createCourier({
    appliance,
    instance,
    folder: join(data, 'spool', instance),
    spool,
    safe: () => space.safe(spool),
    produced: (stream) => produced(instance, stream),
    bytesMax: courierBytes,
    notice,
  });
  const start = (checkpoint && startable(one, checkpoint.head, folder, notice)) ?? one;
  return {
    installed: start,
    folder,
    checkpoint,
    spool,
    since: sinceOf(spool, through, courier.storedTo),
    outbox,
    courier,
    through: { older: through, newer: through },
    savedAtMs: performance.now(),
    saving: undefined,
    isWanted: false,
  };
}

function instancesWithSpool(data: string): string[] {
  const folder = join(data, 'spool');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => NAME_PATTERN.test(name));
}

/** The spool of a filter that is gone. */
function openLeftOver(
  instance: string,
  options: Omit<OpenOptions, 'onAppended' | 'produced'>,
): Pick<Kept, 'courier' | 'spool' | 'through'> {
  const { appliance, data, space, courierBytes: bytesMax, notice } = options;
  const spool = space.open(instance, 0);
  const folder = join(data, 'spool', instance);
  const produced = () => Number.POSITIVE_INFINITY;
  const safe = () => space.safe(spool);
  const courier = createCourier({ appliance, instance, folder, spool, safe, produced, bytesMax, notice });
  if (courier.settled() < spool.last())
    notice(`filter ${instance}: it is not in the config any more; what it had told goes out`);
  return { courier, spool, through: { older: Number.MAX_SAFE_INTEGER, newer: Number.MAX_SAFE_INTEGER } };
}

const NO_MEMORY = new Uint8Array();

/** Where a filter goes on; without a checkpoint at its beginning, and so does its spool. */
function standsAt({ checkpoint }: Kept, running: Running): ReturnType<typeof standingOf> {
  if (checkpoint) return { standing: checkpoint.head.standing, memory: checkpoint.memory };
  const { standing, memory } = standingOf(running);
  return { standing: { ...standing, through: 0 }, memory: Uint8Array.from(memory) };
}

function notExact(instance: string, lostEvents: number): string {
  return `filter ${instance}: what was done since its last checkpoint cannot be done again; ${lostEvents} events are lost from its state`;
}

/** Rows of two checkpoints, and of one append each. */
const ROWS_MAX = 2 * (CHECKPOINT_CALLS_MAX + OUTBOX_ROWS_MAX);

/** What the spool holds behind an entry; `storedTo`: number of the last message of a stream that the broker is known to have. */
function sinceOf(spool: Spool, after: number, storedTo: (stream: string) => number): Since {
  const there = new Map<string, number>();
  const sent = new Map<string, SentMessage>();
  const commits: Commit[] = [];
  let rows = 0;
  const keep = (message: SentMessage) => sent.set(`${message.stream} ${message.seq}`, message);
  const reader = spool.read(after);
  for (let entry = reader.next(); entry; entry = reader.next()) {
    const head = entry.kind === 'message' ? readMessageHead(entry.payload) : undefined;
    const commit = entry.kind === 'commit' ? readCommit(entry) : undefined;
    if (head) keep(head);
    if (head) there.set(head.stream, Math.max(there.get(head.stream) ?? 0, head.seq));
    if (!commit) continue;
    const { previous, ...own } = commit;
    const known = commits.at(-1)?.number ?? after;
    // The entry of that was damaged.
    if (previous && previous.behind === known && commit.behind > known)
      commits.push({ ...previous, number: commit.behind });
    for (const { messages } of previous ? [previous, own] : [own])
      for (const message of messages) keep(message);
    commits.push(own);
    rows += own.rows.length;
    // Far more than there can be between two checkpoints: without the first ones the rest tells only where it led.
    if (rows > ROWS_MAX) commits.splice(0, commits.length - 1);
  }
  reader.close();
  // The last ones of a stream, where they are damaged: nobody would see that they are missing, so they are made again.
  const isDamaged = ({ stream, seq }: SentMessage) =>
    stream !== DEAD_STREAM && seq > Math.max(there.get(stream) ?? 0, storedTo(stream));
  const all = [...sent.values()];
  return { messages: all.filter((one) => !isDamaged(one)), damaged: all.filter(isDamaged), commits };
}
