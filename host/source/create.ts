/**
 * From entries of the config to sources.
 */
import type { Config, SourceConfig } from '../config.js';
import { WeirError } from '../errors.js';
import { WATCH_DIRECTORIES_MAX, WATCH_ENTRIES_MAX } from '../limits.js';
import { createCommandSource } from './command.js';
import { createFileSource } from './file.js';
import { INBOX_DEFAULTS, type InboxOptions } from './inbox.js';
import { openInboxFolder } from './inboxfolder.js';
import { createNotices } from './notices.js';
import { createProcessesSource } from './processes.js';
import type { Source } from './source.js';
import { createStdinSource } from './stdin.js';
import { createSyslogSource } from './syslog.js';
import { createWatchSource } from './watch.js';

/** The sources of the config that a filter reads. Throws USAGE when none of them ends and the host is to end with them. */
export function createSources(
  config: Config,
  untilEof: boolean,
  print: (line: string) => void,
): Map<string, Source> {
  const used = new Set(config.filters.flatMap(({ from }) => from));
  const watches = config.sources.filter(({ name, kind }) => used.has(name) && kind === 'watch').length;
  const sources = new Map<string, Source>();
  const inboxOf = openInboxes(config, print);
  for (const entry of config.sources) {
    if (!used.has(entry.name)) {
      print(`source ${entry.name}: no filter reads it, so it stays closed`);
      continue;
    }
    const inbox = entry.kind === 'file' ? INBOX_DEFAULTS : inboxOf(entry.name);
    const source = createSource(entry, untilEof, watches, inbox);
    source.onNotice(print);
    sources.set(entry.name, source);
  }
  if (untilEof && !config.sources.some(({ name, kind }) => sources.has(name) && isBounded(kind))) {
    throw new WeirError(
      'USAGE',
      '--until-eof: expected a file or stdin source that a filter reads, found none',
    );
  }
  return sources;
}

/** What makes the inbox of a source: its file lies where those of this host do. */
function openInboxes(config: Config, print: (line: string) => void): (source: string) => InboxOptions {
  const pathOf = openInboxFolder({
    dataFolder: config.data,
    inboxes: config.inboxes,
    sources: config.sources.filter(({ kind }) => kind !== 'file').map(({ name }) => name),
    print,
  });
  return (source) => {
    const notices = createNotices(source);
    notices.onNotice(print);
    return { ...INBOX_DEFAULTS, file: { path: pathOf(source), notices } };
  };
}

/** True of sources that have an end. */
export function isBounded(kind: SourceConfig['kind']): boolean {
  return kind === 'file' || kind === 'stdin';
}

/**
 * The source that an entry of the config describes; `watches` are those among which what is remembered is divided. What comes to its inbox
 * outlives the process where `inbox` has a file.
 */
export function createSource(
  entry: SourceConfig,
  untilEof: boolean,
  watches = 1,
  inbox: InboxOptions = INBOX_DEFAULTS,
): Source {
  const { name } = entry;
  switch (entry.kind) {
    case 'file':
      return createFileSource(name, entry.paths, { untilEof });
    case 'stdin':
      return createStdinSource(name, { inbox });
    case 'syslog':
      return createSyslogSource(name, entry, { inbox });
    case 'command':
      return createCommandSource(name, entry.argv, { inbox });
    case 'watch':
      return createWatchSource(name, entry.roots, {
        entriesMax: Math.floor(WATCH_ENTRIES_MAX / watches),
        directoriesMax: Math.floor(WATCH_DIRECTORIES_MAX / watches),
        inbox,
      });
    case 'processes':
      return createProcessesSource(name, { everyMs: entry.everyMs, inbox });
  }
}
