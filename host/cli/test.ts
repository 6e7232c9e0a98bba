/**
 * `weir test`: everything that is checked of filters.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { checkFilter, type FilterReport, hasFailed } from '../author/check.js';
import { chosenFilters, type Project, projectIn } from '../author/project.js';
import { junitXml, reportText, sumText } from '../author/report.js';
import { needWritable, writeOutput } from '../author/samples.js';
import { repeatOnSave } from '../author/watching.js';
import { errorText } from '../errors.js';
import { type Command, parseCommand } from './command.js';

export const test: Command = {
  summary: 'test filters: unit tests, samples, and what holds for every filter',
  help: `Usage: weir test [NAME...] [OPTIONS]

Tests filters/NAME of this folder, or every filter there, and prints a report of each. What is stale is built first.

  unit tests   *.test.mjs (or .js, or .ts where it is compiled or Node strips types), each file in a process of its
               own; import { assert, load, test } from 'weir/test'
  samples      each file samples/X gives the records of samples/X.expected, as "weir replay" prints them;
               samples/X.json may have {"config": ..., "now": ..., "timezone": ...}; without "now" events are
               received at 2026-01-31T12:00:00Z
  always       the same records for batches of one event, 4 KiB and 1 MiB, and when it runs again; every event
               counted once; memory as declared; junk between good lines stops nothing and changes no record

  --update       write the expected records of samples instead of comparing them
  --junit FILE   also write the results as JUnit XML: a case for each unit test and each other check
  --watch        test again after each save, also of a filter that is written meanwhile; Ctrl-C ends

The exit code is 1 when a check fails.
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        update: { type: 'boolean', default: false },
        junit: { type: 'string' },
        watch: { type: 'boolean', default: false },
      },
    });
    const folder = process.cwd();
    const project = projectIn(folder);
    const junit = values.junit === undefined ? undefined : resolve(values.junit);
    if (junit !== undefined) needWritable(junit);
    const golden = values.update ? 'update' : 'compare';

    const tell = (text: string) => void process.stderr.write(text);

    async function testAll(): Promise<number> {
      const reports: FilterReport[] = [];
      for (const name of chosenFilters(project, positionals)) {
        const report = await checkFilter(name, { project, folder, golden, tell });
        process.stdout.write(reportText(report));
        reports.push(report);
      }
      process.stdout.write(`\n${sumText(reports)}`);
      if (junit !== undefined) writeOutput(junit, junitXml(reports));
      return reports.some(hasFailed) ? 1 : 0;
    }

    if (!values.watch) return testAll();
    chosenFilters(project, positionals);
    await repeatOnSave(
      () => watchedFolders(project, positionals),
      async () => {
        await testAll().catch((error) => process.stderr.write(errorText(error)));
        process.stdout.write('waiting for the next save; Ctrl-C ends\n\n');
      },
    );
    return 0;
  },
};

/** The folders of the filters that are named, or of all, also of those that are to come. */
function watchedFolders({ sources }: Project, names: readonly string[]): string[] {
  const all = existsSync(sources) ? readdirSync(sources) : [];
  const own = (names.length > 0 ? names : all).map((name) => join(sources, name));
  return [...(names.length > 0 ? [] : [sources]), ...own, ...own.map((folder) => join(folder, 'samples'))];
}
