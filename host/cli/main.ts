#!/usr/bin/env node
/**
 * The process of the `weir` command: its arguments, its exit code, and a standard output that may go away.
 */
import { errorText, oneLine, systemCode, WeirError } from '../errors.js';
import { weir } from './weir.js';

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

process.exitCode = await weir(process.argv.slice(2));
