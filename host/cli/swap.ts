/**
 * `weir swap`: another version of a filter, in a host that runs.
 */
import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { defaultDataFolder } from '../config.js';
import { askHost } from '../control.js';
import { printable, WeirError } from '../errors.js';
import { PROBATION_BATCHES, PROBATION_MS } from '../limits.js';
import { type Command, parseCommand } from './command.js';

export const swap: Command = {
  summary: 'put another version of a filter in place, while events flow',
  help: `Usage: weir swap NAME MODULE [OPTIONS]

Asks the host of this machine to go on with another version of the filter NAME (its name in the config) between two
batches. MODULE is a filter.wasm with its filter.json beside it, or the folder of both. The host judges it, starts it beside
the running one, and hands the state over by name; what is declared otherwise is told before, in records with
"partial": true. No event is lost, none is seen twice. When anything is wrong, the running filter is left as it is. One that was
taken out begins anew with MODULE, which may be the same again, in files where it had stopped, and is on no probation.

The new version is on probation for ${PROBATION_MS / 1000} s or ${PROBATION_BATCHES} batches: at its first fault the one before takes over again. With
--wait the command ends when that is over, and says nothing until then. The
swap lasts until the host stops, or reads its config and its filters anew: at a SIGHUP, or when the config is written. To keep
it, put the files where the host finds its filters. What becomes of it is in the log of the host and on weir.status.APPLIANCE.

  --data FOLDER     data folder of the host (default: that of "weir run")
  --manifest FILE   the manifest (default: filter.json beside MODULE)
  --wait            wait until the version has passed its probation

The exit code is 1 when the swap was refused; 0 when it was made, or that version runs already. With --wait it is 0 when the
version has passed its probation, and 1 when it has not, with the reason.

Example: weir swap ssh-auth dist/filters/ssh-auth
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: { data: { type: 'string' }, manifest: { type: 'string' }, wait: { type: 'boolean' } },
    });
    const [filter, where, ...more] = positionals;
    if (filter === undefined || where === undefined || more.length > 0)
      throw new WeirError('USAGE', `expected NAME and MODULE, found ${positionals.join(' ') || 'neither'}`);
    const isFolder = statSync(where, { throwIfNoEntry: false })?.isDirectory() === true;
    const module = resolve(isFolder ? join(where, 'filter.wasm') : where);
    const manifest = resolve(values.manifest ?? join(dirname(module), 'filter.json'));
    const { ok, lines } = await askHost(values.data ?? defaultDataFolder(), {
      do: values.wait ? 'swap and wait' : 'swap',
      filter,
      module,
      manifest,
    });
    const text = lines.map((line) => `${printable(line)}\n`).join('');
    if (ok) process.stdout.write(text);
    else process.stderr.write(text.replace(/^/, 'weir: '));
    return ok ? 0 : 1;
  },
};
