/**
 * The recipes of `filters/RECIPES.md`, as an author follows them: each builds in a project of its own, gives the records
 * that stand on the page, and passes what `weir test` asks of every filter.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { projectIn } from '../../host/author/project.js';
import { driveFilter } from '../../host/author/drive.js';
import { propertiesOf } from '../../host/author/properties.js';
import { readSamples } from '../../host/author/samples.js';
import { writeNewFilter } from '../../host/author/scaffold.js';
import { loadManifestOf, readModuleFile } from '../../host/filter/library.js';
import { ROOT } from '../command.js';
import { compiledModule } from '../runtime/testfilter.js';
import { type TestProject, testProject } from './project.js';

const PAGE = readFileSync(join(ROOT, 'filters/RECIPES.md'), 'utf8');

interface Recipe {
  readonly name: string;
  readonly source: string;
  /** What takes the place of what stands in the manifest of a new filter. */
  readonly manifest: { readonly streams: object; readonly memory?: object };
  readonly settings: string | undefined;
  readonly lines: string;
  readonly records: string;
}

/** The recipes of the page; each has one block of every kind, the one with settings, which may be absent, excepted. */
function recipes(): Recipe[] {
  const sections = PAGE.split(/^## /m).slice(1);
  return sections.map((section) => {
    const name = section.match(/^[^\n]*: `([\w-]+)`\n/)?.[1] as string;
    const found = [...section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, kind, text]) => ({
      kind,
      text,
    }));
    const kinds = found.map(({ kind }) => kind).join(' ');
    assert.match(kinds, /^ts json (json )?log ndjson$/, name);
    const of = (kind: string) =>
      found.filter((block) => block.kind === kind).map(({ text }) => text as string);
    const [manifest, settings] = of('json');
    return {
      name,
      source: of('ts')[0] as string,
      manifest: JSON.parse(manifest as string),
      settings,
      lines: of('log')[0] as string,
      records: of('ndjson')[0] as string,
    };
  });
}

const RECIPES = recipes();

const author = suite<{ project: TestProject }>('recipes');
author.before(async (context) => {
  context.project = await testProject();
});
author.after(({ project }) => project.remove());

author('there are ten, and the table of the page leads to each', () => {
  assert.is(RECIPES.length, 10);
  const links = [...PAGE.matchAll(/^\| \[([^\]]+)\]\(#([\w-]+)\) +\|/gm)];
  const headings = [...PAGE.matchAll(/^## (.*): `([\w-]+)`$/gm)];
  assert.equal(
    links.map(([, title, anchor]) => `${title} ${anchor}`),
    headings.map(([, title, name]) => {
      const anchor = `${title}-${name}`
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-');
      return `${title} ${anchor}`;
    }),
  );
});

for (const { name, source, manifest, settings, lines, records } of RECIPES) {
  author(
    `${name} gives the records that the page shows, and holds what every filter must`,
    async ({ project }) => {
      const own = projectIn(project.folder);
      writeNewFilter(own, name);
      const folder = join(own.sources, name);
      const scaffold = JSON.parse(readFileSync(join(folder, 'filter.json'), 'utf8'));
      const { streams, memory } = manifest;
      const changed = { ...scaffold, streams, memory: { ...scaffold.memory, ...memory } };
      project.write({
        [`filters/${name}/filter.ts`]: source,
        [`filters/${name}/filter.json`]: JSON.stringify(changed),
        [`filters/${name}/samples/first.log`]: lines,
        ...(settings === undefined ? {} : { [`filters/${name}/samples/first.log.json`]: settings }),
      });
      let mistakes = '';
      const module = await compiledModule(folder, (text) => (mistakes += text)).catch((error) => {
        throw new Error(`${error.message}\n${mistakes}`);
      });
      const filter = { manifest: loadManifestOf(name, own.sources), module: readModuleFile(module) };
      const samples = readSamples(folder);
      for (const sample of samples) {
        const driven = driveFilter(filter, sample.settings).feed(sample.bytes).end();
        assert.is(driven.text(), records);
        assert.ok(records, 'something comes out');
        assert.is(driven.ledger().overflowed, 0);
      }
      for (const property of propertiesOf(filter, samples)) assert.equal(property.prove(), [], property.name);
    },
  );
}

author.run();
