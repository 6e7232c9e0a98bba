/**
 * `weir new`: the files of a first filter, which work as they are, so that an author begins with something that
 * passes and changes it. Nothing that is there already is touched.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemCode, WeirError } from '../errors.js';
import { NAME_PATTERN } from '../wire.js';
import type { Project } from './project.js';

/** Writes the files of a new filter and returns their paths. Throws FILE_EXISTS before anything is written. */
export function writeNewFilter({ sources }: Project, name: string): string[] {
  if (!NAME_PATTERN.test(name)) {
    const expected = '1 to 63 letters, digits, "_" and "-"';
    throw new WeirError('USAGE', `NAME: expected ${expected}, found ${JSON.stringify(name)}`);
  }
  const folder = join(sources, name);
  if (existsSync(folder)) throw new WeirError('FILE_EXISTS', `${folder}: expected no such folder, found one`);
  const files = Object.entries({
    'filter.ts': SOURCE,
    'filter.json': manifestOf(name),
    'filter.test.mjs': testOf(name),
    'samples/first.log': SAMPLE,
    'samples/first.log.expected': EXPECTED,
  }).map(([file, text]) => write(join(folder, file), text));
  const editor = join(sources, 'tsconfig.json');
  return existsSync(editor) ? files : [...files, write(editor, EDITOR)];
}

function write(path: string, text: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { flag: 'wx' });
  } catch (error) {
    throw new WeirError('OUTPUT_UNWRITABLE', `${path}: expected to write it, found ${systemCode(error)}`);
  }
  return path;
}

const SOURCE = `// Tells every line of syslog that speaks of an error, with the program that wrote it.
import { Stream, Syslog, Text, events, key, malformed, select } from 'weir/runtime';

const PROGRAM = key('program');
const MESSAGE = key('message');
const syslog = new Syslog();
const errors = new Stream('errors');

select(['error']); // other lines are only counted
events((line: Text): void => {
  if (!syslog.parse(line)) return malformed();
  errors.open(syslog.time).text(PROGRAM, syslog.program).text(MESSAGE, syslog.message).close();
});
`;

const manifestOf = (name: string) => `{
  "name": "${name}",
  "version": "0.1.0",
  "abi": 1,
  "purpose": "Tells what goes wrong on this appliance.",
  "selects": "Lines of syslog that hold the word error.",
  "excludes": "All other lines. Only their number is told.",
  "retention": "Records are kept for 90 days.",
  "owner": "Security operations",
  "streams": {
    "errors": "one record a line: \`ts\`, \`program\`, \`message\`"
  },
  "memory": {
    "static": "32KiB",
    "state": "0B",
    "scratch": "64KiB",
    "input": "256KiB",
    "output": "128KiB"
  }
}
`;

const testOf = (name: string) => `import { assert, load, test } from 'weir/test';

test('an error is told with its program, other lines are counted', async () => {
  const filter = await load('${name}');
  filter.feed(
    ['Jan 31 10:00:00 fw-01 cron[7]: error: no such job', 'Jan 31 10:00:01 fw-01 cron[7]: all is well'],
    { now: '2026-01-31T12:00:00Z' },
  );
  filter.end();
  assert.equal(filter.records('errors'), [
    { ts: Date.parse('2026-01-31T10:00:00Z'), program: 'cron', message: 'error: no such job' },
  ]);
  assert.is(filter.ledger().discarded, 1);
});

test.run();
`;

const SAMPLE = `Jan 31 10:00:00 fw-01 cron[312]: (root) CMD (/usr/sbin/backup)
Jan 31 10:00:02 fw-01 backup[313]: error: cannot reach 192.0.2.7
<27>1 2026-01-31T10:00:05Z fw-01 charon 88 - - error in configuration "office"
error without a header
`;

const EXPECTED = `{"stream":"errors","ts":1769853602000,"program":"backup","message":"error: cannot reach 192.0.2.7"}
{"stream":"errors","ts":1769853605000,"program":"charon","message":"error in configuration \\"office\\""}
`;

/** Types of AssemblyScript (`i32`, `usize`, `v128`) for editors; `weir/runtime` is found as a package. */
const EDITOR = `{
  "extends": "assemblyscript/std/assembly.json",
  "compilerOptions": {
    "module": "esnext",
    "moduleResolution": "bundler",
    "skipLibCheck": true,
    "noEmit": true
  },
  "include": ["*/filter.ts"]
}
`;
