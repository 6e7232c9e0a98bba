/**
 * The agent of a fleet on an appliance: takes over what is signed for its group (`trust.ts`, `assigned.ts`), brings it to run (`apply.ts`),
 * and says what became of it.
 *
 * Whatever fails, what runs goes on running: without a network, with metadata that has expired, with a repository in somebody else's hands.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, takesNothing } from '../durable.js';
import { oneLine, systemCode, WeirError } from '../errors.js';
import {
  ANNOUNCE_SPREAD_MS_MAX,
  APPLY_ROUNDS_MAX,
  CONNECTED_SPREAD_MS,
  FLEET_RETRY_MS,
} from '../fleetlimits.js';
import { versionLabel } from '../filter/library.js';
import { createAdmission } from '../filter/prepare.js';
import { ANNOUNCE_SUBJECT, auditSubject } from '../wire.js';
import { agentStatus, type Trouble } from './agentstatus.js';
import { openAnchored } from './anchored.js';
import type { AssignedHost, Assigner } from '../assigner.js';
import { type Applied, createApply, labelOf } from './apply.js';
import { openAttempts, type Selection, select, type Wanted } from './assigned.js';
import { assignmentPath, nextDueMs } from './assignment.js';
import { type AuditBroker, createAudit } from './audit.js';
import { createClockCheck } from './clock.js';
import { createLooks } from './looks.js';
import { createNotes } from './notes.js';
import { openPassed } from './passed.js';
import { storedFile } from './repository.js';
import { createTrust, type Fetch } from './trust.js';

export interface AgentBroker extends AuditBroker {
  connected(): boolean;
  onConnected(listener: () => void): void;
  subscribe(
    subject: string,
    each: (subject: string, headers: Readonly<Record<string, string>>, body: Uint8Array) => void,
  ): { unsubscribe(): void };
}

export interface AgentOptions {
  readonly appliance: string;
  readonly group: string;
  /** Path of the root of trust. */
  readonly root: string;
  readonly pollMs: number;
  readonly folder: string;
  /** Names of filters in the config of this machine, which no assignment touches. */
  readonly own: readonly string[];
  readonly now: () => number;
  readonly print: (line: string) => void;
}

/** What was assigned last and can run is there without a network. */
export interface Agent extends Omit<Assigner, 'attach'> {
  attach(host: AssignedHost, broker: AgentBroker): void;
  /** Looks now. */
  look(): Promise<void>;
}

const NOTHING: Selection = { assignment: undefined, wanted: new Map(), refused: new Map() };

/** Throws METADATA_REFUSED or CONFIG_INVALID when the root of trust is none. */
export async function createAgent(options: AgentOptions): Promise<Agent> {
  const { appliance, group, folder, own, now, print, pollMs } = options;
  prepareFolder(folder);
  const trustFolder = join(folder, 'trust');
  const root = readAnchor(options.root);
  const trust = createTrust(trustFolder, root);
  const wrongRoot = trust.isOtherFleet ? wrongRootText(options.root, trustFolder) : undefined;
  const attempts = openAttempts(folder, print);
  const audit = createAudit({ folder, subject: auditSubject(appliance), who: appliance, now });
  const clock = createClockCheck(now, print);
  const { note, ...notes } = createNotes({ audit, broker: () => broker, now, print, stored: clock.stored });
  const anchored = openAnchored(folder, print);
  const passed = openPassed(folder, print);
  const admission = createAdmission();
  const { apply, tryAll } = createApply({ own, attempts, passed, admission, note, now, print });
  let selection = NOTHING;
  let host: AssignedHost | undefined;
  let broker: AgentBroker | undefined;
  let subscription: { unsubscribe(): void } | undefined;
  let trouble: Trouble | undefined;
  let told = '';

  /** What of the trusted assignment is for this appliance; where it is damaged, what was before. */
  function selectTrusted(): Promise<Selection> {
    return select(appliance, group, now(), attempts, trust.target).catch((error): Selection => {
      print(`fleet: what was assigned last cannot be read: ${oneLine(error)}`);
      return selection;
    });
  }

  /** Verifies and takes over what is new. */
  async function update(): Promise<void> {
    const found = await trust.update(fetchFrom(broker), now(), assignmentPath(group));
    if (!found) {
      selection = await selectTrusted();
      return;
    }
    // While it is fetched and verified what there is, the thread for that starts.
    admission.begin();
    const next = await select(appliance, group, now(), attempts, found.target);
    const before = selection.assignment?.serial ?? 0;
    const { assignment } = next;
    checkSerial(assignment, before);
    found.commit();
    attempts.keepOnly(assignment);
    if (assignment?.serial !== selection.assignment?.serial)
      note({
        action: 'assigned',
        group,
        before: before === 0 ? null : String(before),
        after: assignment ? String(assignment.serial) : null,
      });
    selection = next;
  }

  const looks = createLooks(() => lookOnce().finally(admission.end));

  /** Answers after how long to look again. */
  async function lookOnce(): Promise<number> {
    // A disk that has room again, and a broker that has lost its own, are given what they lack.
    for (const flush of [attempts.flush, passed.flush, anchored.flush, notes.flush]) flush();
    try {
      await update();
      if (trouble?.isRefused) note({ action: 'fresh' });
      trouble = undefined;
    } catch (error) {
      tellTrouble(error);
    }
    tellChange();
    let applied: Applied = 'choose again';
    for (let round = 0; host && applied === 'choose again' && round < APPLY_ROUNDS_MAX; round++) {
      // A release that cannot run here leaves its place to the one before.
      if (round > 0) selection = await selectTrusted();
      applied = await apply(host, selection);
    }
    anchored.keep(labelsOf(selection, own));
    tellChange();
    const againMs = trouble || applied === 'later' ? FLEET_RETRY_MS : pollMs;
    return Math.min(againMs, pollMs, Math.max(nextDueMs(selection.assignment, now()) - now(), 0));
  }

  function tellTrouble(error: unknown): void {
    const text = oneLine(error);
    const isRefused = error instanceof WeirError && /^(METADATA|ASSIGNMENT)_/.test(error.code);
    if (text !== trouble?.text) {
      print(`fleet: ${text}`);
      if (isRefused) note({ action: 'update refused', error: text });
    }
    trouble = { text, isRefused, problem: error instanceof WeirError ? error.problem : text };
  }

  function status(): object {
    const running = (instance: string) => host?.running(instance);
    const known = { trusted: trust.trusted(), attempts: attempts.all(), head: audit.head() };
    const here = { running, sources: host?.sources() ?? [], wrongClock: clock.trouble(), nowMs: now() };
    return agentStatus({ group, selection, trouble, wrongRoot, ...known, ...here });
  }

  /** Who waits for a rollout hears of it at once. */
  function tellChange(): void {
    const text = JSON.stringify(status());
    if (text !== told) host?.changed();
    told = text;
  }

  function tell(action: string, problem: string): void {
    note({ action, error: problem });
    print(`fleet: ${problem}`);
  }

  function connected(to: AgentBroker): void {
    if (to !== broker) return;
    notes.send();
    looks.soon(CONNECTED_SPREAD_MS);
  }

  selection = await selectTrusted();
  if (trust.isDamaged) tell('trust damaged', DAMAGED);
  if (wrongRoot !== undefined) tell('root refused', wrongRoot);
  else anchored.begin(root, !trust.trusted() && !trust.isDamaged, note);
  return {
    async installed() {
      const tryThem = () => tryAll(selection).finally(admission.end);
      for (let round = 0; round < APPLY_ROUNDS_MAX && !(await tryThem()); round++)
        selection = await selectTrusted();
      return assignedIn(selection, own).flatMap(([, { hash, installed }]) =>
        passed.has(hash) ? [installed] : [],
      );
    },
    attach(attached, to) {
      host = attached;
      broker = to;
      looks.start();
      subscription = to.subscribe(ANNOUNCE_SUBJECT, (_subject, _headers, body) => looks.soon(spreadMs(body)));
      to.onConnected(() => connected(to));
      // Also without a connection: what is trusted may not run yet. With one, this is the look that it has asked for.
      void looks.now();
    },
    detach() {
      subscription?.unsubscribe();
      looks.stop();
      notes.stop();
      host = undefined;
      broker = undefined;
    },
    happened(instance, { kind, reason }) {
      const wanted = selection.wanted.get(instance);
      if (!wanted) return;
      const { version, rollout } = wanted.release;
      attempts.note(instance, { version, rollout, state: kind, reason, ts: now() });
      const after = labelOf(host?.running(instance));
      note({ action: kind, filter: instance, before: version, after, error: reason });
      tellChange();
    },
    status,
    look: looks.now,
  };
}

/** Where the disk takes nothing, it is made with the first look for which there is room. */
function prepareFolder(folder: string): void {
  try {
    makeFolder(folder);
  } catch (error) {
    if (!takesNothing(error)) throw error;
  }
}

const DAMAGED = 'what was trusted is damaged on the disk; the repository is asked for it';

/** What is wanted, but for what the config of this machine has under the same name. */
function assignedIn({ wanted }: Selection, own: readonly string[]): [string, Wanted][] {
  return [...wanted].filter(([instance]) => !own.includes(instance));
}

function labelsOf(selection: Selection, own: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    assignedIn(selection, own).map(([instance, { installed }]) => [instance, versionLabel(installed.loaded)]),
  );
}

function wrongRootText(root: string, trustFolder: string): string {
  const problem = `fleet.root: ${root}: expected the root of the fleet that is trusted, found that of another one`;
  return `${problem}; what is trusted goes on, and to go over to the other one remove ${trustFolder}`;
}

/** Anybody on the broker may be at the other end: it says only that there may be something new, and over what time to ask for it. */
function spreadMs(announcement: Uint8Array): number {
  const wantedMs = Number(Buffer.from(announcement.subarray(0, 16)).toString()) || 0;
  return Math.min(Math.max(wantedMs, 0), ANNOUNCE_SPREAD_MS_MAX);
}

/** Who signs may not know what was signed before; nobody goes back to that unseen. */
function checkSerial(assignment: Selection['assignment'], before: number): void {
  if (!assignment || assignment.serial >= before) return;
  const problem = `expected serial ${before} or later, found ${assignment.serial}`;
  throw new WeirError('ASSIGNMENT_REFUSED', `${assignmentPath(assignment.group)}: ${problem}`);
}

function readAnchor(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const problem = `fleet.root: ${path}: expected the root of trust, found ${systemCode(error)}`;
    throw new WeirError('CONFIG_INVALID', problem);
  }
}

function fetchFrom(broker: AgentBroker | undefined): Fetch {
  return async (path) => {
    if (!broker) throw new WeirError('BROKER_UNREACHABLE', 'fleet: not connected');
    return (await storedFile(broker, path))?.bytes;
  };
}
