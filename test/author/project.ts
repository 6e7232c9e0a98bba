/**
 * An author's project for a test: an empty folder, its filters, and the commands in it.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { endAll, type Said, saidHere } from '../command.js';
import { temporaryFolder, WAIT_MS } from '../help.js';
import { compiledModule } from '../runtime/testfilter.js';

/** A command that compiles has ended by then, also on a busy machine: the compiler takes seconds of its own. */
export const COMPILE_MS_MAX = 4 * WAIT_MS;

export interface TestProject {
  readonly folder: string;
  /** Writes files by their paths in the project. */
  write(files: Readonly<Record<string, string>>): void;
  /** Builds a filter whose source is one file, as `weir build` does, but what is known from former runs is not compiled again. */
  build(name: string): Promise<void>;
  /** Runs a command in the project to its end, in this process. */
  said(command: string): Promise<Said>;
  remove(): Promise<void>;
}

export async function testProject(): Promise<TestProject> {
  const { path, remove } = await temporaryFolder();
  return {
    folder: path,
    write(files) {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(path, name)), { recursive: true });
        writeFileSync(join(path, name), text);
      }
    },
    async build(name) {
      const [source, built] = [join(path, 'filters', name), join(path, 'dist/filters', name)];
      const module = await compiledModule(source);
      mkdirSync(built, { recursive: true });
      copyFileSync(module, join(built, 'filter.wasm'));
      copyFileSync(`${module}.map`, join(built, 'filter.wasm.map'));
      copyFileSync(join(source, 'filter.json'), join(built, 'filter.json'));
    },
    said: (command) => saidHere(command.split(' '), path, COMPILE_MS_MAX),
    async remove() {
      await endAll();
      await remove();
    },
  };
}

/** Tells each line whole, in a record of its stream. */
export const ECHO = `import { NO_TIME, Stream, Text, events, key } from 'weir/runtime';
const LINE = key('line');
const lines = new Stream('lines');
events((line: Text): void => {
  lines.open(NO_TIME).text(LINE, line).close();
});
`;

/** The manifest of a filter with the one stream `lines`. */
export const manifest = (name: string, streams: object = { lines: 'each line' }) =>
  JSON.stringify({
    name,
    version: '1.0.0',
    abi: 1,
    purpose: 'To be tested.',
    selects: 'Every line.',
    excludes: 'Nothing.',
    streams,
    memory: { static: '32KiB', state: '64KiB', scratch: '64KiB', input: '64KiB', output: '64KiB' },
  });

/** The files of a filter. */
export const filterFiles = (name: string, source = ECHO, streams?: object) => ({
  [`filters/${name}/filter.ts`]: source,
  [`filters/${name}/filter.json`]: manifest(name, streams),
});
