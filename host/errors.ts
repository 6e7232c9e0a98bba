/**
 * Every way in which weir refuses or fails, by a stable code.
 *
 * A message names the thing, says what was expected and what was found; the table adds what to do about
 * it. Callers match on `code`, never on text. A command prints one line, never a stack trace, and below it what else
 * is wrong in the same file.
 */

/** Code to remedy: what the reader should do, in one clause. */
export const REMEDIES = {
  USAGE: 'see --help',
  CONFIG_UNREADABLE: 'check the path and its permissions',
  CONFIG_INVALID: 'correct this key; the README shows the shape',
  FILTER_UNKNOWN:
    'name one of these, write one with "weir new NAME", or give "weir run" its folder with --filter-dir',
  FILTERS_MISSING: 'run "weir new NAME" to write one, or go to the folder that has "filters"',
  MANIFEST_INVALID: 'correct filter.json; that of "weir new NAME" shows the shape',
  MODULE_REFUSED: 'take out what is not for filters, or rebuild it with "weir build" of this version',
  MODULE_UNREADABLE: 'check the path and its permissions',
  ABI_MISMATCH: 'rebuild the filter against the runtime of this host',
  MEMORY_MANIFEST: 'raise the region in filter.json, or make the filter smaller',
  MEMORY_BUDGET: 'raise limits.memory, or run fewer or smaller filters',
  FILTER_CONFIG: 'correct this key of the filter\'s "config"',
  SWAP_REFUSED: 'nothing was changed; correct this and try again',
  PROBATION_FAILED: 'correct the version and swap it in again; the log of the host has what happened',
  HOST_UNREACHABLE: 'start it with "weir run", or name its data folder with --data',
  FILTER_FAULT: 'correct the filter; "weir replay" of the same input shows the fault',
  SOURCE_UNREADABLE: 'check the path and the permissions of the user that runs weir',
  INPUT_UNREADABLE:
    'name files of lines, or hand the lines over as standard input, e.g. "zcat FILE | weir replay FILTER -"',
  SOURCE_INVALID: 'correct the source in the config',
  PORT_UNAVAILABLE: 'stop what uses the address, or configure another one',
  ADDRESS_MISSING: 'configure an address that this host has, or 0.0.0.0 or [::] for all of them',
  BROKER_MISSING: 'install it ("apt-get install nats-server"), or set nats.servers in the config',
  BROKER_UNREACHABLE: 'check nats.servers and that the broker runs',
  BROKER_STORE:
    'look at the disk of the broker, its store_dir and its log, and start it again when that is right; then "weir fleet restore" writes anew what it has lost',
  BROKER_REFUSED: 'check nats.creds or nats.nkey, nats.tls and the permissions of that user',
  CREDENTIALS_UNREADABLE:
    'check nats.creds, nats.nkey and nats.tls, and that the user that runs weir may read these files',
  STREAM_REFUSED:
    'let an operator create the JetStream stream, or grant this user $JS.API.STREAM.CREATE.WEIR',
  STREAM_FULL:
    'raise its max_bytes ("nats stream edit"); nothing may go of WEIR_AUDIT and WEIR_FLEET, and out of a repository "weir fleet refresh" takes what nothing has named for a day',
  AUDIT_OWED: 'raise the max_bytes of WEIR_FLEET ("nats stream edit"), then run "weir fleet refresh"',
  FLEET_STREAM: 'correct it with the tools of NATS, or remove it and let this command make it anew',
  STREAM_MISSING: 'name another one with --stream; "weir run" makes WEIR where there is none',
  STREAM_SILENT:
    'check that it is there, with allow_direct; "weir fleet streams" makes those of a fleet, and "weir fleet restore" fills a repository that was lost',
  STREAM_BUSY: 'look with "nats sub" who writes there so often, and try again',
  STREAM_MOVED: 'let one host only run under the name of this appliance',
  STREAM_BEHIND:
    'let its replicas catch up; the README says which sync_interval and how many replicas keep what is acknowledged',
  DATA_VERSION: 'run the weir that wrote it, or set "data" to another folder',
  DATA_UNWRITABLE: 'make room there, or set "data" to a folder that this user may write',
  INBOX_UNWRITABLE:
    'make room there, or set "inboxes" to a folder, best on a tmpfs, in which this user may make files',
  DATA_IN_USE: 'stop the other "weir run", or set "data" to another folder',
  FILE_EXISTS: 'choose another name, or remove what is there',
  OUTPUT_UNWRITABLE: 'make room there, or choose a path that this user may write',
  SAMPLE_INVALID: 'correct the settings beside the sample; they may have config, now and timezone',
  KEY_UNREADABLE: 'check the path; "weir fleet keys create NAME" makes one',
  PASSPHRASE_WEAK: 'choose a longer one',
  PASSPHRASE_WRONG: 'try again; there is no other way to open the key',
  KEYS_REFUSED: 'nothing was changed; look with "weir fleet keys list"',
  ROTATION_UNFINISHED:
    'look at what it has, then let "weir fleet keys renew targets" sign that with the keys that count now',
  SIGNATURES_MISSING:
    'publish where all keys are, or write it to a file with --propose, and let the others sign that with "weir fleet sign"',
  KEYS_MISSING:
    'run this in a folder that has such a key, or copy its file from "keys" there into that of this folder, where both have one passphrase ("weir fleet keys list" there tells which it is: where a key was changed its name ends in a number; "weir fleet audit" tells who has rotated which keys); or make a key here ("weir fleet keys create") and let "weir fleet keys add" there give it the role',
  PROPOSAL_INVALID: 'nothing of it was signed or published; let it be made anew',
  PROPOSAL_OUTDATED:
    'it is published already, or somebody else has published since; look with "weir fleet audit", and propose it anew if need be',
  FLEET_EXISTS:
    'work with the folder of that fleet (--fleet), or make another fleet in another folder and on another broker',
  FLEET_MISSING: 'make one with "weir fleet init", or name its folder with --fleet',
  GROUP_UNKNOWN: 'name a group to which something is assigned, or of which an appliance says that it is',
  APPLIANCE_UNKNOWN: 'name an appliance that has told its status, or has entries in the audit',
  FLEET_UNWRITABLE:
    'make room there, or let this user write there, and run this again: what was begun is completed, else nothing was changed',
  FLEET_IN_USE: 'nothing was changed; run this again when that command has ended',
  REPOSITORY_MOVED:
    'somebody else has published meanwhile; look with "weir fleet status", then run this again',
  REPOSITORY_DAMAGED:
    'what appliances run stays as it is; "weir fleet restore" writes anew what this folder has a copy of',
  COPY_MISSING: 'look for the folder of whoever has published last',
  CLOCK_WRONG: 'nothing was published; set the clock that is wrong, of this machine or of the broker',
  ROLLOUT_REFUSED: 'look with "weir fleet status"',
  ASSIGNMENT_REFUSED: 'what runs stays as it is; "weir push" writes assignments',
  ASSIGNMENT_UNREADABLE:
    'what appliances run stays as it is; take the weir that wrote it, let whoever has published last run "weir fleet restore", or replace all of it with "weir push --anew"',
  STATUS_INVALID: 'look at that appliance; what it publishes under its name is no status of weir',
  METADATA_REFUSED: 'what is trusted stays as it is; ask who runs the repository',
  METADATA_STALE: 'what is trusted stays as it is; "weir fleet refresh" renews what has expired',
  BUNDLE_INVALID: 'correct what it names and run "weir bundle" again; nothing of it was used',
  SELF_TEST_FAILED: 'run "weir test" with this version of weir, then "weir bundle" again',
  SKETCH_INVALID:
    'take the byte string of the record as it came; filters/REFERENCE.md has its layout, and what can be merged',
  BUILD_FAILED: 'correct the lines that the compiler names',
} as const;

export type ErrorCode = keyof typeof REMEDIES;

/** An error with a stable code. `message` is one line and ends with the remedy. */
export class WeirError extends Error {
  readonly code: ErrorCode;
  /** The message without the remedy, for an error that says the same under another code. */
  readonly problem: string;
  /** Lines that a command prints below the message: what else is wrong. */
  readonly others: readonly string[];

  /** With another remedy where whoever reads it has done already what the table advises. */
  constructor(
    code: ErrorCode,
    problem: string,
    options?: { cause?: unknown; others?: readonly string[]; remedy?: string },
  ) {
    super(`${problem}; ${options?.remedy ?? REMEDIES[code]}`, options);
    this.name = 'WeirError';
    this.code = code;
    this.problem = problem;
    this.others = options?.others ?? [];
  }
}

/** What it answers; nothing where it is refused with one of these codes. Throws what else it throws. */
export async function unlessRefused<T>(
  answer: Promise<T>,
  codes: readonly ErrorCode[],
): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof WeirError && codes.includes(error.code)) return undefined;
    throw error;
  }
}

/** The one line to show for anything thrown: our errors in full, others with what they say. */
export function oneLine(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const code = thrown instanceof WeirError ? `${thrown.code}: ` : '';
  return `${code}${text.replace(/\s*\n\s*/g, ' ')}`;
}

/** What a command prints of an error: its line, and below it what else is wrong. */
export function errorText(thrown: unknown): string {
  const others = thrown instanceof WeirError ? thrown.others : [];
  return [`weir: ${oneLine(thrown)}`, ...others.map((line) => `  ${line}`)]
    .map((line) => `${line}\n`)
    .join('');
}

/** One line that does nothing to a terminal: what controls it or turns text around is escaped. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (found) => `\\u${(found.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

/** `error.code` of a Node system error (`ENOENT`, ...), or an empty string. */
export function systemCode(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
