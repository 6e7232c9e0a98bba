/**
 * Limits of a fleet, each with its reason.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

/** A signing key in its file, and the shortest passphrase that seals one. */
export const KEY_FILE_BYTES_MAX = 4 * KiB;
export const PASSPHRASE_CHARACTERS_MIN = 10;
/** Signed metadata of a fleet, by its kind: each is one message of NATS, which takes 1 MiB unless told otherwise. */
export const ROOT_BYTES_MAX = 128 * KiB;
export const TIMESTAMP_BYTES_MAX = 16 * KiB;
export const SNAPSHOT_BYTES_MAX = 256 * KiB;
export const TARGETS_BYTES_MAX = 896 * KiB;
/** Keys of one role; roots that an appliance catches up with at once; delegated roles that are asked for one path. */
export const METADATA_KEYS_MAX = 64;
export const ROOT_ROTATIONS_MAX = 256;
export const DELEGATIONS_MAX = 32;
/** A target: a bundle, or an assignment. */
export const TARGET_BYTES_MAX = 896 * KiB;
/**
 * A change on its way to others who sign it: some ten bundles of the largest size as base64, beside the metadata. Targets of a role:
 * as many as 896 KiB of metadata hold. Signatures under one file: of the keys of the root before and of the new one. A text of the audit.
 */
export const PROPOSAL_BYTES_MAX = 16 * MiB;
export const PROPOSAL_TARGETS_MAX = 8_192;
export const PROPOSAL_SIGNATURES_MAX = 2 * METADATA_KEYS_MAX;
export const PROPOSAL_ACT_CHARACTERS_MAX = 4_000;
/**
 * How far a timestamp and a snapshot that are made from a copy are ahead of it: others may have signed newer ones since, a few a day, and
 * appliances take none that is older than what they have seen.
 */
export const RESTORED_AHEAD = 10_000;
/**
 * What nothing names any more is taken out of the repository when it has been there so long: an appliance that reads meanwhile is done
 * with it, and so is an operator whose change names it. So many files in one run; the rest in the next.
 */
export const PRUNE_MS_MIN = 24 * 3_600_000;
export const PRUNE_FILES_MAX = 1_000;
/** Numbers of a metadata file that are tried, where changes that were interrupted have left some. */
export const EDITION_NUMBERS_MAX = 64;
/** Appliances of one configuration of a broker: with so many it is 4 MiB, and nats-server takes it in a second. */
export const FLEET_APPLIANCES_MAX = 10_000;
export const FLEET_OPERATORS_MAX = 100;
/** A list of their names: each in a line, with room for comments. */
export const FLEET_LIST_BYTES_MAX = 2 * MiB;
/**
 * What that broker takes of a client. A message of the largest file of the repository is under 1 MiB, which is NATS' own default;
 * connections: of each appliance two, because a new one may come before the end of the old one is seen, and some of people;
 * subscriptions of one: a host has a few, a page of people some dozens.
 */
export const FLEET_PAYLOAD_BYTES_MAX = 1 * MiB;
export const FLEET_CONNECTIONS_SPARE = 256;
export const FLEET_SUBSCRIPTIONS_MAX = 1_000;
/** How long a login may take: with TLS that is a handshake, and a whole fleet may come back at once. */
export const FLEET_TLS_SECONDS = 5;
export const FLEET_LOGIN_SECONDS = 6;
/** Signed files of a fleet: some 250 bundles of the largest size. */
export const REPOSITORY_BYTES_MAX = 256 * MiB;
/** One status of each appliance: 6 KiB each of the largest fleet. */
export const STATUS_BYTES_MAX = 64 * MiB;
/** What the appliances of a fleet have done; full, it takes no more until an operator gives it room, so that nobody can push out what is there. */
export const AUDIT_BYTES_MAX = 256 * MiB;
/** The same of its operators: some 100,000 entries. A release goes on only where there is room for some more, of what takes it back. */
export const FLEET_AUDIT_BYTES_MAX = 64 * MiB;
export const AUDIT_SPARE_BYTES = 64 * KiB;
/** The same of the repository: what takes a release back, or renews a role, is some files of metadata and an assignment. */
export const REPOSITORY_SPARE_BYTES = 256 * KiB;
/** Entries that are owed from one folder; with more nothing is published from there. */
export const AUDIT_OWED_MAX = 1_000;
/** A reason, a ticket or a version in an assignment, and so in the audit. */
export const REASON_CHARACTERS_MAX = 500;
/** How far the clock of an operator may be from that of the broker: what is signed is good for a week and longer. */
export const CLOCK_MS_MAX = 3_600_000;
/** An assignment: 64 filters with two releases each, with their config. */
export const ASSIGNMENT_BYTES_MAX = 768 * KiB;
/** The audit of an appliance on its disk; as much again of what was before. */
export const AUDIT_FILE_BYTES_MAX = 1 * MiB;
/** How soon an appliance sends its audit again where the broker does not take it: at first, and at last. */
export const AUDIT_RETRY_MS_MIN = 1_000;
export const AUDIT_RETRY_MS_MAX = 60_000;
/** Entries of an audit for which the disk has no room now. */
export const AUDIT_WAITING_MAX = 256;
/** How often an appliance looks for what is new by itself, unless it is told otherwise; up to a fifth of it is random. */
export const FLEET_POLL_MS_DEFAULT = 5 * 60_000;
export const FLEET_POLL_MS_MIN = 10_000;
export const FLEET_POLL_MS_MAX = 24 * 3_600_000;
/** Anybody who may publish may wake appliances: no more often than this, and spread over this time at most. */
export const ANNOUNCE_GAP_MS = 1_000;
export const ANNOUNCE_SPREAD_MS_MAX = 60_000;
/** How soon an appliance looks again where nothing could be had. */
export const FLEET_RETRY_MS = 15_000;
/** How often in one look releases that cannot run are replaced by those before them. */
export const APPLY_ROUNDS_MAX = 3;
/** How many appliances may ask a broker at once, where an operator tells them that there is something new. */
export const APPLIANCES_A_SECOND = 2_000;
/** Over what time appliances look that have just been connected: as many as a broker takes may be so at once. */
export const CONNECTED_SPREAD_MS = (FLEET_APPLIANCES_MAX / APPLIANCES_A_SECOND) * 1_000;
/** A status as operators read it: 64 filters with all that is said of them, four times over. */
export const FLEET_STATUS_BYTES_MAX = 256 * KiB;
/** An appliance whose last status is older is silent: three intervals. */
export const FLEET_SILENT_MS = 30_000;
/** Findings that are told of one chain of the audit; who can write there can write much. */
export const AUDIT_FINDINGS_MAX = 10;
/** Findings that are acknowledged with one entry of the audit, which is one message. */
export const AUDIT_MARKS_MAX = 500;
/** How often an operator's command looks at a fleet that keeps talking: with 10,000 appliances a look takes some 30 ms. */
export const STATUSES_GAP_MS = 200;
/** How long a command waits for another one that reads or publishes from the same folder, which takes well under a second. */
export const FOLDER_WAIT_MS = 10_000;
