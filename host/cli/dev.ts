/**
 * `weir dev`: a filter that is being written, over its input, at each save.
 */
import { develop } from '../author/develop.js';
import { chosenFilters, projectIn } from '../author/project.js';
import { WeirError } from '../errors.js';
import { type Command, givenSettings, parseCommand } from './command.js';

export const dev: Command = {
  summary: 'run a filter again at each save and show what changed',
  help: `Usage: weir dev NAME --input FILE [OPTIONS]

Builds filters/NAME of this folder, runs it over FILE and prints its records; after each save of the filter or of FILE
it does so again, and prints what changed: - before records that are gone, + before new ones. Mistakes are told with
their lines. Ctrl-C ends.

  --input FILE         the events, e.g. filters/NAME/samples/first.log
  --config-json JSON   the filter's config, as under "config" in weir.json
  --now TIME           the time at which the events are received (default: 2026-01-31T12:00:00Z, as in "weir test")
  --timezone ZONE      zone of dates that have none, e.g. Europe/Berlin (default: UTC)

What is not given is taken from the settings beside FILE (FILE.json), as in "weir test", where FILE is one of the filter's own
samples, filters/NAME/samples/FILE; which settings those are is told.

Example:
  weir dev my-filter --input filters/my-filter/samples/first.log
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        input: { type: 'string' },
        'config-json': { type: 'string' },
        now: { type: 'string' },
        timezone: { type: 'string' },
      },
    });
    const [name, ...others] = positionals;
    if (name === undefined || others.length > 0 || values.input === undefined)
      throw new WeirError('USAGE', 'expected one NAME and --input FILE');
    const project = projectIn(process.cwd());
    chosenFilters(project, [name]);
    await develop({
      project,
      name,
      input: values.input,
      given: givenSettings(values),
      show: (text) => process.stdout.write(text),
      tell: (text) => process.stderr.write(text),
    });
    return 0;
  },
};
