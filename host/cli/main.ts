#!/usr/bin/env node
/**
 * The `weir` command: a table of commands. Each parses its arguments, calls what does the work, and prints.
 */
import { readFileSync } from 'node:fs';
import { errorText, oneLine, systemCode, WeirError } from '../errors.js';
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

async function main(args: readonly string[]): Promise<number> {
  if (args[0] !== '--version') return runNamed(WEIR, args);
  const packageFile = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  process.stdout.write(`${version}\n`);
  return 0;
}

/** What a shell says of a program that SIGPIPE has ended. */
const SIGPIPE_CODE = 141;

/**
 * A reader that goes away (`weir replay ... | head`) needs no words, but what it has not waited for is no success: a test
 * that fails must not pass for it.
 */
function endOutput(error: unknown): never {
  if (systemCode(error) === 'EPIPE') process.exit(SIGPIPE_CODE);
  const found = systemCode(error) || oneLine(error);
  const problem = `standard output: expected to write it, found ${found}`;
  process.stderr.write(errorText(new WeirError('OUTPUT_UNWRITABLE', problem)));
  process.exit(1);
}

process.stdout.on('error', endOutput);

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(errorText(error));
  process.exitCode = error instanceof WeirError && error.code === 'USAGE' ? 2 : 1;
}
