/**
 * Paths as texts of their bytes (latin1, one character a byte), because names need not be UTF-8.
 */

export type BytePath = string;

export function toBuffer(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1');
}

export function fromText(path: string): BytePath {
  return Buffer.from(path).toString('latin1');
}

/** For people; what is not UTF-8 is replaced. */
export function shown(path: BytePath): string {
  return toBuffer(path).toString('utf8');
}

export function join(folder: BytePath, name: BytePath): BytePath {
  return `${folder === '/' ? '' : folder}/${name}`;
}

/** The folder that a path is in; `/` is in none. */
export function folderOf(path: BytePath): BytePath | undefined {
  if (path === '/') return undefined;
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function nameOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function isBelow(path: BytePath, folder: BytePath): boolean {
  return folder === '/' ? path !== '/' : path.startsWith(`${folder}/`);
}
