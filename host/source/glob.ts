/**
 * Paths of files that a pattern names: `*`, `?` and `[...]` within a name, `**` for folders of any depth.
 *
 * As in a shell, wildcards match no leading dot. A path that exists exactly as it is written is meant as it is
 * written. Folders are read with limits on depth, on entries looked at and on results; what cannot be read is left
 * out, because it may become readable later. `**` does not go into folders through links.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GLOB_ENTRIES_MAX } from '../limits.js';

const DEPTH_MAX = 16;

export interface Expansion {
  /** Existing paths, sorted. */
  readonly paths: readonly string[];
  /** A limit was reached: there may be more. */
  readonly isPartial: boolean;
}

export function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/** True when an expansion of the pattern could hold the path. */
export function matches(pattern: string, path: string): boolean {
  const absolute = resolve(pattern);
  return path === absolute || toRegExp(absolute).test(path);
}

/** Existing paths that match, at most `most`. A path without wildcards is its own only match. */
export function expand(pattern: string, most: number): Expansion {
  const absolute = resolve(pattern);
  if (exists(absolute)) return { paths: [absolute], isPartial: false };
  if (!isPattern(absolute)) return { paths: [], isPartial: false };
  const found = new Set<string>();
  const names = absolute.split('/').slice(1);
  let seen = 0;
  let isPartial = false;

  function add(path: string): void {
    if (found.size < most) found.add(path);
    else if (!found.has(path)) isPartial = true;
  }

  function descend(folder: string, at: number, depth: number): void {
    const name = names[at] as string;
    const isLast = at === names.length - 1;
    if (seen > GLOB_ENTRIES_MAX || depth > DEPTH_MAX) isPartial = true;
    if (isPartial) return;
    if (!isPattern(name)) {
      const path = join(folder, name);
      if (!isLast) descend(path, at + 1, depth);
      else if (exists(path)) add(path);
      return;
    }
    const isAnyDepth = name === '**';
    if (isAnyDepth && !isLast) descend(folder, at + 1, depth);
    const matching = isAnyDepth ? /^[^.]/ : toRegExp(name);
    for (const entry of entries(folder)) {
      seen += 1;
      if (!matching.test(entry.name)) continue;
      const path = join(folder, entry.name);
      if (isLast && !entry.isDirectory()) add(path);
      else if (isAnyDepth && entry.isDirectory()) descend(path, at, depth + 1);
      else if (!isLast && !isAnyDepth) descend(path, at + 1, depth);
    }
  }

  descend('/', 0, 0);
  return { paths: [...found].sort(), isPartial };
}

const NO_DOT = '(?!\\.)';
const FOLDERS = `(?:${NO_DOT}[^/]+/)*`;

/** A pattern, or one component of it, as a regular expression; one that makes no sense matches nothing. */
function toRegExp(pattern: string): RegExp {
  const components = pattern.split('/');
  const parts = components.map((name, at) => {
    const isLast = at === components.length - 1;
    if (name === '**') return isLast ? `${FOLDERS}${NO_DOT}[^/]+` : FOLDERS;
    return `${componentSource(name)}${isLast ? '' : '/'}`;
  });
  try {
    return new RegExp(`^${parts.join('')}$`, 'u');
  } catch {
    return /(?!)/;
  }
}

function componentSource(name: string): string {
  const body = name.replace(/\[[!^]?[^\]!^/][^\]/]*\]|[*?]|[\\^$.|+(){}[\]]/g, (part) => {
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    if (part.length > 2) return part.replace('[!', '[^').replaceAll('\\', '\\\\');
    return `\\${part}`;
  });
  return /^[*?[]/.test(name) ? `${NO_DOT}${body}` : body;
}

function entries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
