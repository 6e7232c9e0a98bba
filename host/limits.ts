/**
 * Every limit of the host, in one place, with its reason. Nothing in weir grows past a number in this file.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

/** A WebAssembly page. */
export const PAGE_BYTES = 64 * KiB;

/** A compiled filter; the shipped ones are under 50 KiB. */
export const MODULE_BYTES_MAX = 512 * KiB;
/** What `weir inspect` reads to tell that it is too large, with its hash. */
export const INSPECTED_BYTES_MAX = 64 * MiB;
/** Functions of a module, each some 100 bytes for the engine before it runs; the shipped filters have up to 150. */
export const MODULE_FUNCTIONS_MAX = 10_000;
/** Types of functions, and their parameters and results: a call of two bytes is that many values for a compiler. */
export const MODULE_TYPES_MAX = 1_000;
export const MODULE_PARAMETERS_MAX = 64;
export const MODULE_RESULTS_MAX = 16;
/** Imports that are read, so that each is told of; two are allowed. */
export const MODULE_IMPORTS_MAX = 64;
export const MODULE_EXPORTS_MAX = 1_000;
export const MODULE_GLOBALS_MAX = 1_000;
/** One table, for indirect calls. The engine makes it whole at once, in 24 bytes an entry. */
export const MODULE_TABLES_MAX = 1;
export const MODULE_TABLE_ENTRIES_MAX = 4_096;
/** Segments that fill the table, and the memory: the compiler makes one for each constant text. */
export const MODULE_ELEMENTS_MAX = 1_000;
export const MODULE_DATA_MAX = 10_000;
/** Names, and whatever else tools leave in a module; the engine keeps each. */
export const MODULE_CUSTOM_SECTIONS_MAX = 64;
/** A function: the optimising compiler takes it whole, at some 400 bytes a byte. The shipped ones are under 3 KiB. */
export const MODULE_BODY_BYTES_MAX = 128 * KiB;
/** Parameters and locals of one function: inlining makes many, a frame on the stack has room for each. */
export const MODULE_LOCALS_MAX = 4_096;
/** Blocks inside each other: a `switch` makes one for each case. */
export const MODULE_NESTING_MAX = 1_000;
/** Targets of one `br_table`: a `switch` over bytes has 256. */
export const MODULE_BRANCHES_MAX = 4_096;
/**
 * What a compiler carries to all blocks and branches: each takes the locals and the stack with it. The shipped filters have
 * up to 310,000. In 290 KiB of constants, then blocks, it is 3.6 billion, which took V8 32 s and 11 GiB at the first call;
 * at this limit it takes 25 ms and 30 MiB.
 */
export const MODULE_CARRIED_MAX = 5_000_000;
/** Reasons for which one module is refused that are told; a hostile one has as many as it likes. */
export const MODULE_REASONS_MAX = 16;
/**
 * Fuel of a filter before others have their turn, in instructions, where its manifest does not say: a loop of plain work that never ends
 * is over in 2 to 8 ms. It is for an event, or for a part of what is due: a tick, or an event that closes windows, takes as many turns as
 * it needs. A batch that needs more is cut into smaller ones, down to one event; a batch of several may never use more than this.
 */
export const FUEL_DEFAULT = 12_000_000;
/**
 * What an event that is alone in its batch may use for each of its bytes, where that is more, from 85 KiB on: whoever writes
 * the events must not be able to make one that a filter cannot bear. The shipped filters take up to 87 for a byte (`{` in a path, 7 ns),
 * the readers of the library up to 98 (globs), a prefilter 104 (`xyxy` where it looks for `xxxyxx`).
 */
export const FUEL_PER_EVENT_BYTE = 140;
export const FUEL_MIN = 100_000;
/** The most that a manifest may say, and that all turns of one call may use together. */
export const FUEL_MAX = 1_000_000_000;
/**
 * Processor time of one call, however little fuel it takes: a load that waits for memory costs as much fuel as one that does not, and a
 * hundred times the time. Far above what any filter takes that means well, also on a slow machine.
 */
export const CALL_MS_MAX = 1_000;
/** Batches over which faults are counted, and how many of them a filter may have where its manifest does not say. */
export const FAULT_BATCHES = 100;
export const FAULTS_DEFAULT = 3;
/**
 * A snapshot of a filter is made when it has read so many times its bytes since the last one: making it then takes 2 % of the
 * fastest filter's time, and to read again is some 100 ms of work at the worst. Also after so many calls, and once a second.
 */
export const SNAPSHOT_RATIO = 32;
export const SNAPSHOT_CALLS_MAX = 256;
/** How often the config file is looked at for a change. */
export const CONFIG_LOOK_MS = 2_000;
/** The status is told this often, what happens to a filter no sooner after the last one; a text in it has so many characters. */
export const STATUS_EVERY_MS = 10_000;
export const STATUS_GAP_MS = 250;
export const STATUS_TEXT_CHARACTERS_MAX = 500;
/** Changes of epochs that are remembered of each filter, and that the status tells of all of them. */
export const EPOCH_CHANGES_MAX = 8;
/** Epochs of a stream that are remembered behind the present one: what a broker has lost of older ones is sent again from its beginning. */
export const PAST_EPOCHS_MAX = 8;
/** Judging and compiling a new version in a thread of its own: time, and heap of the thread. */
export const ADMIT_MS_MAX = 10_000;
export const ADMIT_WORKER_MEBIBYTES = 64;
/** What a command says to a running host, and hears from it; at once, and for how long. */
export const CONTROL_BYTES_MAX = 64 * KiB;
export const CONTROL_CONNECTIONS_MAX = 16;
export const CONTROL_MS_MAX = 30_000;
/** What Linux takes as the path of a socket (unix(7)). */
export const SOCKET_PATH_BYTES_MAX = 107;
/** A swap waits for a recovery, and looks this often whether it is over. */
export const RECOVERY_LOOK_MS = 50;
/** A new version of a filter is on probation for so long, or for so many batches. */
export const PROBATION_MS = 30_000;
export const PROBATION_BATCHES = 1_000;
/** Who waits for its end hears of it by then: it is looked for once a second, and a fault shortly before may take a recovery. */
export const CONTROL_WAIT_MS_MAX = CONTROL_MS_MAX + PROBATION_MS + 30_000;
/** Dead letters of a filter in one window of the ledger; more are counted only. A line in one is cut at so many bytes. */
export const DEAD_LETTERS_MAX = 1_000;
export const DEAD_LINE_BYTES_MAX = 4 * KiB;
/**
 * What the first batch of a filter aims for at most: its events may cost more than most. It becomes less where a batch takes more than
 * half of its fuel, and grows by a part of so many with each that does not.
 */
export const BATCH_BYTES_FIRST = 64 * KiB;
export const BATCH_GROWTH_PARTS = 8;
/** What the host's own work costs a filter: a call, a record that it takes over, and a byte of one. */
export const FUEL_PER_CALL = 1_000;
export const FUEL_PER_RECORD = 100;
export const FUEL_PER_EMITTED_BYTE = 8;
/** Turns of one call: 64 MiB of state, the most there is, are told in 2,048, and 8 MiB of output, from a region of 4 KiB, in 4,096. */
export const TURNS_MAX = 10_000;
/** Things that are due and at fault that are left out of one call; each takes all of the call once more. More than faults may be forgiven. */
export const SPARED_MAX = 128;
/** While it starts: it prepares its tables and reads its config, once. The shipped filters take up to 3 million; a hostile one some 50 ms of plain work. */
export const FUEL_START = 100_000_000;
/** `filter.json` and `weir.json`: text that people write. */
export const MANIFEST_BYTES_MAX = 64 * KiB;
/** A filter's own config, as JSON. */
export const FILTER_CONFIG_BYTES_MAX = 8 * KiB;
export const CONFIG_BYTES_MAX = 1 * MiB;
/** Items of one list in the config: paths, folders, a program's arguments. A person writes them. */
export const CONFIG_LIST_MAX = 256;
/** Addresses of one broker cluster. */
export const SERVERS_MAX = 16;
/** Output region of a filter; a record is at most half of it, so that it fits a NATS message uncompressed. */
export const OUTPUT_BYTES_MAX = 1 * MiB;
/** A sketch in a record is no larger than a record; what comes from the network as one is refused past that. */
export const SKETCH_BYTES_MAX = OUTPUT_BYTES_MAX / 2;
/** What a filter may emit for one batch or tick: it waits in the host until the whole batch has gone well. */
export const OUTPUT_BATCH_BYTES_MAX = 8 * MiB;
/** All memory of one filter, whatever its manifest says. */
export const FILTER_MEMORY_BYTES_MAX = 64 * MiB;
/** Default of `limits.memory`, for the whole process: fits what runs without a config, on an appliance of 256 MiB. */
export const MEMORY_BYTES_DEFAULT = 192 * MiB;
/**
 * The process without its heap, filters, inboxes and queue. Measured (Node 20, x86-64, 150 MB to 1 GB through one to four filters
 * to a broker): 49 MiB are pages of Node's own program, up to 11 more are compiled filters, gzip, stacks and the allocator's.
 */
export const PROCESS_BYTES = 60 * MiB;
/**
 * V8's heap, in MiB, as `bin/weir` gives it to node: the old generation and one semi-space. The host under load has 10 MiB
 * alive, and 32 with a full `watch` source whose every entry changes at once; with 32 that ended it.
 */
export const HEAP_MIB = 48;
export const YOUNG_MIB = 2;
/** Bodies of messages that went out since buffers were last collected: 25 collections a second at 100 MB/s. */
export const DEAD_BUFFER_BYTES_MAX = 4 * MiB;
/** Filters, and sources, of one host. */
export const FILTERS_MAX = 64;
export const SOURCES_MAX = 64;

/** How much a batch aims for. A single longer event still travels whole, up to the filter's input region. */
export const BATCH_BYTES_DEFAULT = MiB;
export const BATCH_BYTES_MIN = 64;
export const BATCH_BYTES_MAX = 16 * MiB;

/** One syslog message, one line of a child process or of stdin; longer ones are cut here, and counted. */
export const INBOX_EVENT_BYTES_MAX = 64 * KiB;
/** The inbox of one source that cannot be read again: a ring in memory, and as much in its file. */
export const INBOX_BYTES = 4 * MiB;

/** Syslog over TCP: connections at once, and how long one may stay silent. */
export const SYSLOG_CONNECTIONS_MAX = 32;
export const SYSLOG_IDLE_MS = 10 * 60_000;
/** What a connection or a pipe can have in hand: an unfinished event in either framing, and one chunk as it was read. */
export const FEED_BYTES = 3 * INBOX_EVENT_BYTES_MAX;
/** What is asked of the kernel for datagrams that come faster than they are read; it may give less. */
export const SYSLOG_RECEIVE_BUFFER_BYTES = 4 * MiB;

/** Restarts of a `command` source: first delay, longest delay; a run of this length resets the delay. */
export const COMMAND_BACKOFF_MS_MIN = 250;
export const COMMAND_BACKOFF_MS_MAX = 30_000;
export const COMMAND_HEALTHY_MS = 60_000;
/** How long a child may take to end after SIGTERM, before SIGKILL. */
export const COMMAND_STOP_MS = 2_000;

/** What other programs and hosts can cause to be said: one notice in this time, and no longer than this. */
export const NOTICE_INTERVAL_MS = 1_000;
export const NOTICE_TEXT_BYTES_MAX = 200;

/** Directories under inotify and remembered entries of all `watch` sources together: some 400 bytes of heap an entry. */
export const WATCH_DIRECTORIES_MAX = 8192;
export const WATCH_ENTRIES_MAX = 40_000;
/** Changes of one entry within this time are told as one event. */
export const WATCH_SETTLE_MS = 50;
/** Everything watched is looked at again this often, because inotify's own queue can overflow. */
export const WATCH_RESCAN_MS = 5 * 60_000;

/** How often a `processes` source looks at /proc: more often costs more, more rarely sees fewer that end soon. */
export const PROCESSES_EVERY_MS_DEFAULT = 2_000;
export const PROCESSES_EVERY_MS_MIN = 500;
export const PROCESSES_EVERY_MS_MAX = 60_000;
/** New processes of one sample, each some eight reads, and known ones that are looked at again, one read each. */
export const PROCESSES_NEW_MAX = 256;
export const PROCESSES_AGAIN_MAX = 256;
/** Processes that are remembered, some 200 bytes of heap each: more than an appliance has. */
export const PROCESSES_MAX = 16_384;
/** What is told of a command line; the kernel takes 128 KiB in one argument. */
export const COMMAND_LINE_BYTES_MAX = 4 * KiB;

/** Files of one `file` source, how often they are looked at, and how often its glob is expanded again. */
export const FILES_MAX = 4096;
/** Files that are remembered without being open, because their folder is gone: a mount that comes late, a folder that was moved. */
export const FILES_AWAY_MAX = 1024;
/** Descriptors that are left for all but files: the broker, 32 connections of each syslog source, children, watches, saving. */
export const DESCRIPTORS_RESERVED = 128;
/** A file that has not changed for this long is looked at less often: so many such files each time, which is 0.2 % of a core. */
export const FILE_QUIET_MS = 10_000;
export const FILE_QUIET_LOOKS = 128;
/** Entries of folders that one pattern looks at: about 100 ms. */
export const GLOB_ENTRIES_MAX = 100_000;
/** What Linux takes as a path. */
export const PATH_BYTES_MAX = 4096;
export const FILE_POLL_MS = 250;
export const FILE_RESCAN_MS = 5_000;
/** A rotated file that stays unchanged this long is complete: its writer has gone on to the new one. */
export const FILE_SETTLED_MS = 5_000;

/** Default of `limits.cpu`, in cores: what an appliance can spare without anybody having been asked. */
export const CPU_SHARE_DEFAULT = 0.25;
/** Least share that can be asked for: with less, nothing would ever be read to its end. */
export const CPU_SHARE_MIN = 0.01;
/** Most: more cores than the host's threads (its own, the garbage collector's, the compiler's) can keep busy, so no limit. */
export const CPU_SHARE_MAX = 64;
/** Processor time that a quiet host saves up for a burst; and its longest rest at a time. */
export const PACE_BURST_MS = 250;
export const PACE_REST_MS_MAX = 100;

/** How often messages are cut, and quiet filters get a tick. */
export const TICK_MS = 1_000;
/** Windows are closed by the clock only this long after the last event of a filter's sources. */
export const QUIET_MS = 5_000;

/** Most that `limits.records` may be: as good as no limit. */
export const RECORDS_PER_SECOND_MAX = 1_000_000;

/** Each filter's ledger is told once in this time: rare enough to cost nothing, often enough to see a loss. */
export const LEDGER_WINDOW_MS = 60_000;

/** A message is cut when its records reach this many bytes, and each second. NATS' own default limit is 1 MiB. */
export const MESSAGE_BYTES_MAX = 256 * KiB;
/** What a subscriber unpacks at most from one message: a guard against decompression bombs. */
export const UNPACKED_BYTES_MAX = 8 * MiB;
/** gzip level of messages: level 1 is about 3 times faster than the default for some 10 % more bytes. */
export const GZIP_LEVEL = 1;

/** Default of `limits.spool`: what all filters together keep on disk until the broker has it; reading stops while it is full. */
export const SPOOL_BYTES_DEFAULT = 64 * MiB;
export const SPOOL_BYTES_MIN = 1 * MiB;
export const SPOOL_BYTES_MAX = 64 * 1024 * MiB;
/** A segment of it: a part of the whole, so that what is stored soon gives room; within these bounds. */
export const SEGMENT_PARTS = 16;
export const SEGMENT_BYTES_MIN = 64 * KiB;
export const SEGMENT_BYTES_MAX = 4 * MiB;
/** One entry of it: a message of the largest record that does not compress, with its headers. */
export const ENTRY_BYTES_MAX = 2 * MiB;
/** Default of `disk.free`: what a file system keeps for everybody else. */
export const DISK_FREE_BYTES_DEFAULT = 64 * MiB;
/** Longest that `disk.keep` may keep what the broker has acknowledged. */
export const DISK_KEEP_MS_MAX = 24 * 3_600_000;
/** What was done to a filter is written at the latest after so many calls, some 200 bytes each, which are written twice. */
export const OUTBOX_ROWS_MAX = 2_048;
/** A checkpoint of a filter that has read something: this often, or after so many calls, which would have to be made again. */
export const CHECKPOINT_EVERY_MS = 30_000;
export const CHECKPOINT_CALLS_MAX = 20_000;
/** Also after so many bytes of its spool, which a start has to look through. */
export const CHECKPOINT_SPOOL_BYTES = 32 * MiB;
/** The memory of one filter and what it has read, 4,096 places at most. */
export const CHECKPOINT_BYTES_MAX = FILTER_MEMORY_BYTES_MAX + 4 * MiB;
/** How often it is written down how far messages have gone out, where nothing else asks for it. */
export const NOTE_PUBLISHED_MS = 10_000;
/** Messages in memory on their way from the spool to the broker: bytes of all filters, at least so many of each, and their number. */
export const COURIER_BYTES = 2 * MiB;
export const COURIER_BYTES_MIN = 256 * KiB;
export const COURIER_MESSAGES_MAX = 256;
/** Messages published and not yet acknowledged. */
export const IN_FLIGHT_MAX = 64;
/** A message that may be dropped is, when the broker has refused it so often; one refusal may be a change of leader. */
export const OPTIONAL_ATTEMPTS = 3;
export const ACK_TIMEOUT_MS = 5_000;
/** A message that is refused in its place is told of from this attempt on. */
export const MISPLACED_ATTEMPTS = 4;
/**
 * A replicated stream that seems to have lost what it acknowledged has to say so for this long: a leader that was cut off from
 * the others takes itself for one for up to 10 s.
 */
export const LOSS_DOUBT_MS = 15_000;
/** One attempt to connect. */
export const CONNECT_MS_MAX = 5_000;
export const RECONNECT_MS_MIN = 250;
export const RECONNECT_MS_MAX = 10_000;
/** A connection is asked for a sign of life this often; twice none, and it is given up. */
export const PING_MS = 20_000;
/** The same trouble is told again after this time. */
export const NOTICE_EVERY_MS = 30_000;
/** How long a stop waits for outstanding acknowledgements. */
export const STOP_MS_MAX = 5_000;
/** How long a stop goes on reading what inboxes still hold. */
export const DRAIN_MS_MAX = 1_000;
/** How long the host waits for a broker that it starts itself. */
export const BROKER_START_MS_MAX = 10_000;

/** The JetStream stream that the host creates when there is none and it may. */
/** Tried in this order: an account or a disk may have less. */
export const STREAM_BYTES_CHOICES = [1024 * MiB, 256 * MiB, 64 * MiB] as const;
/** Storage of a broker that the host starts itself. */
export const BROKER_STORE_BYTES_MAX = 1024 * MiB;
export const BROKER_LOG_BYTES_MAX = 1 * MiB;
/** nats-server 2.9 rotates its log at that size but never removes one, so that the host has to look this often. */
export const BROKER_LOG_LOOK_MS = 10_000;
/** How long a broker of the host's own may take to end after SIGTERM, before SIGKILL. */
export const BROKER_STOP_MS_MAX = 5_000;
export const STREAM_AGE_MS_MAX = 7 * 24 * 3_600_000;
/** NATS duplicate window for `Nats-Msg-Id`. */
export const STREAM_DUPLICATES_MS = 2 * 60_000;

/** Reading a stream back: bytes on their way, of which the broker holds what is not read yet; silence after which it is asked anew, and how often. */
export const READ_AHEAD_BYTES = 8 * MiB;
export const READ_STALL_MS = 10_000;
export const READ_ATTEMPTS = 3;
/** How often a stream of last values is read on for what was written anew meanwhile: of 10,000 that are written each 10 s a second look finds all but one or two. */
export const READ_ROUNDS_MAX = 20;
/**
 * What `weir verify` remembers: subjects, some 2 KiB each, and up to 40 where somebody tries; of each of them ranges of numbers that are missing, epochs that are over,
 * names in its ledger, and findings that are told one by one. What is more is counted only.
 */
export const VERIFIED_SUBJECTS_MAX = 10_000;
export const VERIFIED_GAPS_MAX = 16;
export const VERIFIED_EPOCHS_MAX = 16;
export const VERIFIED_NAMES_MAX = 64;
export const VERIFIED_FINDINGS_MAX = 5;
/** What is told one by one of all subjects together. */
export const REPORTED_FINDINGS_MAX = 1_000;

/** A bundle as it is signed and pushed; the shipped ones have up to 28 KiB, and NATS takes 1 MiB in a message unless told otherwise. */
export const BUNDLE_BYTES_MAX = 512 * KiB;
/** What is unpacked of it, all at once in memory: the largest module, and seven times as much of samples and their records. */
export const BUNDLE_UNPACKED_BYTES_MAX = 4 * MiB;
/** Samples of a bundle: an appliance starts the filter anew for each. A sample is up to three files, beside them are three. */
export const BUNDLE_SAMPLES_MAX = 64;
export const BUNDLE_FILES_MAX = 3 * BUNDLE_SAMPLES_MAX + 3;
/** What the self-test of a bundle hands over at a time, so that events flow meanwhile: 1 ms, 3 while code is cold, where each short line is a record. */
export const SELF_TEST_BATCH_BYTES = 4 * KiB;
/** Instructions that all samples of a bundle may take together: some 10 s of plain work. The shipped samples take up to 0.2 million. */
export const SELF_TEST_FUEL_MAX = 20_000_000_000;

/** How long a file of a filter's unit tests may take. */
export const UNIT_TESTS_MS_MAX = 120_000;
/** What takes longer is told of meanwhile. */
export const UNIT_TESTS_TOLD_MS = 5_000;
/** Saves that follow each other within this time are one. */
export const SAVE_SETTLE_MS = 60;
