/**
 * Third-party logs beside the project, for tests that walk all of them. They are read where they lie, and never copied.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from './command.js';

export const CORPUS = join(ROOT, '../shared/corpus');

export interface CorpusFile {
  /** Its path within the corpus. */
  readonly path: string;
  read(): Buffer;
}

/** Every file of the corpus in a fixed order; none, and a note, where it is not beside the project. */
export function corpusFiles(): CorpusFile[] {
  if (!existsSync(CORPUS)) {
    console.log(`note: ${CORPUS} is not there; no third-party logs are read`);
    return [];
  }
  return readdirSync(CORPUS, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort()
    .map((path) => ({ path: relative(CORPUS, path), read: () => readFileSync(path) }));
}
