/**
 * Paths of files that a pattern names: `*`, `?` and `[...]` within a name, `**` for folders of any depth.
 *
 * As in a shell, wildcards match no leading dot. Folders are read with a limit on depth and on results; what
 * cannot be read is left out, because it may become readable later.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const DEPTH_MAX = 16;

export function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/** Existing paths that match, sorted; at most `most`. A path that exists as it is written is its own only match. */
export function expand(pattern: string, most: number): string[] {
  const absolute = resolve(pattern);
  if (exists(absolute)) return [absolute];
  if (!isPattern(absolute)) return [];
  const found: string[] = [];
  const names = absolute.split('/').slice(1);

  function descend(folder: string, at: number, depth: number): void {
    const name = names[at] as string;
    const isLast = at === names.length - 1;
    if (found.length >= most || depth > DEPTH_MAX) return;
    if (!isPattern(name)) {
      const path = join(folder, name);
      if (!isLast) descend(path, at + 1, depth);
      else if (exists(path)) found.push(path);
      return;
    }
    const isAnyDepth = name === '**';
    if (isAnyDepth && !isLast) descend(folder, at + 1, depth);
    const pattern = isAnyDepth ? /^[^.]/ : toRegExp(name);
    for (const entry of entries(folder)) {
      if (!pattern.test(entry.name)) continue;
      const path = join(folder, entry.name);
      if (isLast && !entry.isDirectory()) found.push(path);
      else if (isAnyDepth && entry.isDirectory()) descend(path, at, depth + 1);
      else if (!isLast && !isAnyDepth) descend(path, at + 1, depth);
    }
  }

  descend('/', 0, 0);
  return [...new Set(found)].sort().slice(0, most);
}

/** One path component as a regular expression. */
function toRegExp(name: string): RegExp {
  const body = name.replace(/\[!?[^\]/]+\]|[*?]|[\\^$.|+(){}[\]]/g, (part) => {
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    if (part.length > 2 && part.startsWith('[')) return part.replace('[!', '[^').replaceAll('\\', '\\\\');
    return `\\${part}`;
  });
  return new RegExp(`^(?!\\.)${body}$`);
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
