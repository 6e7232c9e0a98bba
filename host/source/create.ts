/**
 * From entries of the config to sources.
 */
import type { Config, SourceConfig } from '../config.js';
import { WeirError } from '../errors.js';
import { WATCH_DIRECTORIES_MAX, WATCH_ENTRIES_MAX } from '../limits.js';
import { createCommandSource } from './command.js';
import { createFileSource } from './file.js';
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
  for (const entry of config.sources) {
    if (!used.has(entry.name)) {
      print(`source ${entry.name}: no filter reads it, so it stays closed`);
      continue;
    }
    const source = createSource(entry, untilEof, watches);
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

/** True of sources that have an end. */
export function isBounded(kind: SourceConfig['kind']): boolean {
  return kind === 'file' || kind === 'stdin';
}

/** The source that an entry of the config describes; `watches` are those among which what is remembered is divided. */
export function createSource(entry: SourceConfig, untilEof: boolean, watches = 1): Source {
  switch (entry.kind) {
    case 'file':
      return createFileSource(entry.name, entry.paths, { untilEof });
    case 'stdin':
      return createStdinSource(entry.name);
    case 'syslog':
      return createSyslogSource(entry.name, entry);
    case 'command':
      return createCommandSource(entry.name, entry.argv);
    case 'watch':
      return createWatchSource(entry.name, entry.roots, {
        entriesMax: Math.floor(WATCH_ENTRIES_MAX / watches),
        directoriesMax: Math.floor(WATCH_DIRECTORIES_MAX / watches),
      });
    case 'processes':
      return createProcessesSource(entry.name, { everyMs: entry.everyMs });
  }
}
