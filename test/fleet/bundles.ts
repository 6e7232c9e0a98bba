/**
 * Bundles for tests: a project with a filter that can be bundled, and its parts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadFilter } from '../../host/filter/library.js';
import type { BundleParts } from '../../host/fleet/bundle.js';
import { ECHO, filterFiles, manifest, testProject, type TestProject } from '../author/project.js';

const ANSWERS = { retention: 'Records are kept for 90 days.', owner: 'Security operations' };

/** The manifest of a filter that can be bundled. */
export const answered = (name: string, part: object = {}) =>
  JSON.stringify({ ...JSON.parse(manifest(name)), ...ANSWERS, ...part });

/** What `ECHO` gives for lines that are received at the time that is taken without settings. */
export const echoed = (...lines: string[]) =>
  lines
    .map((line) => `${JSON.stringify({ stream: 'lines', ts: Date.parse('2026-01-31T12:00:00Z'), line })}\n`)
    .join('');

/** The files of a filter with one sample, and the licence of its project. */
export const bundledFiles = (name: string, source = ECHO) => ({
  ...filterFiles(name, source),
  [`filters/${name}/filter.json`]: answered(name),
  [`filters/${name}/samples/a.log`]: 'one\ntwo\n',
  [`filters/${name}/samples/a.log.expected`]: echoed('one', 'two'),
  LICENSE: 'Do as you like.\n',
});

/** Parts of a bundle with one sample; the module is compiled once for all tests. */
export async function echoParts(
  source = ECHO,
): Promise<{ readonly project: TestProject; readonly parts: BundleParts }> {
  const project = await testProject();
  project.write(bundledFiles('echo', source));
  await project.build('echo');
  const { module } = loadFilter('echo', join(project.folder, 'dist/filters'));
  const read = (path: string) => readFileSync(join(project.folder, path));
  const samples = new Map(
    ['a.log', 'a.log.expected'].map((name) => [name, read(`filters/echo/samples/${name}`)]),
  );
  return {
    project,
    parts: { module, manifest: read('filters/echo/filter.json'), licence: read('LICENSE'), samples },
  };
}

/** A text as the bytes of a file. */
export const file = (text: string) => Buffer.from(text);

/** Samples by name, as files. */
export const files = (texts: Readonly<Record<string, string>>) =>
  new Map(Object.entries(texts).map(([name, text]) => [name, file(text)]));
