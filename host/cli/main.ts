#!/usr/bin/env node
/**
 * The `weir` command: a table of commands. Each parses its arguments, calls what does the work, and prints.
 */
import { readFileSync } from 'node:fs';
import { errorText, WeirError } from '../errors.js';
import type { Command } from './command.js';

/** Each is read when it is called for: most of the time that a short command takes is reading code. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./run.js')).run,
  swap: async () => (await import('./swap.js')).swap,
  replay: async () => (await import('./replay.js')).replay,
  tap: async () => (await import('./tap.js')).tap,
  verify: async () => (await import('./verify.js')).verify,
  new: async () => (await import('./new.js')).create,
  build: async () => (await import('./build.js')).build,
  test: async () => (await import('./test.js')).test,
  dev: async () => (await import('./dev.js')).dev,
  capture: async () => (await import('./capture.js')).capture,
  inspect: async () => (await import('./inspect.js')).inspect,
  bundle: async () => (await import('./bundle.js')).bundle,
};

async function help(): Promise<string> {
  const lines = Object.entries(COMMANDS).map(async ([name, load]) => {
    const { summary } = await load();
    return `  ${name.padEnd(9)}${summary}\n`;
  });
  return `weir: an edge stream processor for network appliances

Usage: weir COMMAND [OPTIONS]

${(await Promise.all(lines)).join('')}
weir COMMAND --help tells all about a command. weir --version prints the version.
`;
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args[0] === 'help' && args[1] !== undefined ? [args[1], '--help'] : args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(await help());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version') {
    const packageFile = new URL('../../../package.json', import.meta.url);
    process.stdout.write(
      `${(JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version}\n`,
    );
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!load) {
    throw new WeirError('USAGE', `expected a command (${Object.keys(COMMANDS).join(', ')}), found "${name}"`);
  }
  const command = await load();
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(command.help);
    return 0;
  }
  return command.run(rest);
}

// A reader that goes away (`weir replay ... | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(errorText(error));
  process.exitCode = error instanceof WeirError && error.code === 'USAGE' ? 2 : 1;
}
