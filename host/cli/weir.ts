/**
 * The `weir` command: a table of commands. Each parses its arguments, calls what does the work, and prints.
 */
import { readFileSync } from 'node:fs';
import { errorText, WeirError } from '../errors.js';
import { type CommandTable, runNamed } from './command.js';

const WEIR: CommandTable = {
  summary: 'an edge stream processor for network appliances',
  intro: `weir: an edge stream processor for network appliances

Usage: weir COMMAND [OPTIONS]
`,
  outro: `weir COMMAND --help tells all about a command. weir --version prints the version.
`,
  commands: {
    run: async () => (await import('./run.js')).run,
    swap: async () => (await import('./swap.js')).swap,
    replay: async () => (await import('./replay.js')).replay,
    tap: async () => (await import('./tap.js')).tap,
    verify: async () => (await import('./verify.js')).verify,
    push: async () => (await import('./push.js')).push,
    fleet: async () => (await import('./fleet.js')).fleet,
    new: async () => (await import('./new.js')).create,
    build: async () => (await import('./build.js')).build,
    test: async () => (await import('./test.js')).test,
    dev: async () => (await import('./dev.js')).dev,
    capture: async () => (await import('./capture.js')).capture,
    inspect: async () => (await import('./inspect.js')).inspect,
    bundle: async () => (await import('./bundle.js')).bundle,
  },
};

/** Runs a command to its end, prints an error, and answers the exit code. */
export async function weir(args: readonly string[]): Promise<number> {
  try {
    return await runOrTell(args);
  } catch (error) {
    process.stderr.write(errorText(error));
    return error instanceof WeirError && error.code === 'USAGE' ? 2 : 1;
  }
}

async function runOrTell(args: readonly string[]): Promise<number> {
  if (args[0] !== '--version') return runNamed(WEIR, args);
  const packageFile = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  process.stdout.write(`${version}\n`);
  return 0;
}
