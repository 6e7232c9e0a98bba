/**
 * `weir dev`: a filter over its input, again after each save, and what the change has changed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { oneLine, systemCode, WeirError } from '../errors.js';
import { type DriveOptions, driveFilter } from './drive.js';
import { lineDiff } from './linediff.js';
import { chosenFilters, findFilter, type Project, type Tell } from './project.js';
import { counted } from './report.js';
import { SETTINGS, settingsFor } from './samples.js';
import { repeatOnSave } from './watching.js';

export interface DevelopOptions {
  readonly project: Project;
  readonly name: string;
  readonly input: string;
  /** Settings that go before those beside a sample. */
  readonly given: DriveOptions;
  /** Records and what changed in them. */
  readonly show: Tell;
  /** Mistakes, and what happens. */
  readonly tell: Tell;
}

/** Runs until Ctrl-C. A filter that does not compile or fails is told of, and the next save tries again. */
export async function develop({ project, name, input, given, show, tell }: DevelopOptions): Promise<void> {
  let before: string | undefined;
  async function run(): Promise<void> {
    try {
      // What is built of a folder that has gone away would tell nothing new.
      chosenFilters(project, [name]);
      const filter = await findFilter(project, name, tell);
      const settings = settingsFor(name, [input], given, (line) => tell(`${line}\n`));
      const driven = driveFilter(filter, settings).feed(read(input)).end();
      const text = driven.text();
      if (before === undefined) show(text);
      else {
        const lines = lineDiff(before, text);
        show(lines.length > 0 ? `${lines.join('\n')}\n` : 'no record has changed\n');
      }
      before = text;
      const { in: events, discarded, malformed } = driven.ledger();
      const records = counted(driven.records().length, 'record');
      tell(`${counted(events, 'event')}, ${records}, ${discarded} discarded, ${malformed} malformed\n`);
    } catch (error) {
      tell(`weir: ${oneLine(error)}\n`);
    }
    tell('waiting for the next save; Ctrl-C ends\n\n');
  }
  await repeatOnSave(() => [join(project.sources, name), input, `${input}${SETTINGS}`], run);
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new WeirError('SOURCE_UNREADABLE', `${path}: expected a readable file, found ${systemCode(error)}`);
  }
}
