#!/usr/bin/env node
/**
 * The `weir` command: a table of commands. Each parses its arguments, calls what does the work, and prints.
 */
import { readFileSync } from 'node:fs';
import { errorText, WeirError } from '../errors.js';
import { build } from './build.js';
import { capture } from './capture.js';
import type { Command } from './command.js';
import { dev } from './dev.js';
import { inspect } from './inspect.js';
import { create } from './new.js';
import { replay } from './replay.js';
import { run } from './run.js';
import { swap } from './swap.js';
import { tap } from './tap.js';
import { test } from './test.js';
import { verify } from './verify.js';

const COMMANDS: Readonly<Record<string, Command>> = {
  run,
  swap,
  replay,
  tap,
  verify,
  new: create,
  build,
  test,
  dev,
  capture,
  inspect,
};

const HELP = `weir: an edge stream processor for network appliances

Usage: weir COMMAND [OPTIONS]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(9)}${summary}`)
  .join('\n')}

weir COMMAND --help tells all about a command. weir --version prints the version.
`;

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args[0] === 'help' && args[1] !== undefined ? [args[1], '--help'] : args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? 2 : 0;
  }
  if (name === '--version') {
    const packageFile = new URL('../../../package.json', import.meta.url);
    process.stdout.write(
      `${(JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version}\n`,
    );
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    throw new WeirError('USAGE', `expected a command (${Object.keys(COMMANDS).join(', ')}), found "${name}"`);
  }
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
