/**
 * What a command is, and how it reads its arguments.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { WeirError } from '../errors.js';

export interface Command {
  /** One line for `weir --help`. */
  readonly summary: string;
  /** The whole of `weir NAME --help`. */
  readonly help: string;
  /** Runs the command and answers the exit code. */
  run(args: readonly string[]): Promise<number>;
}

/** `parseArgs` with errors that a person can use. */
export function parseCommand<T extends ParseArgsConfig>(args: readonly string[], config: T) {
  try {
    return parseArgs({ ...config, args: [...args], strict: true });
  } catch (error) {
    throw new WeirError('USAGE', (error as Error).message.split('. To specify')[0] as string);
  }
}

/** A whole number between two limits. */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new WeirError(
    'USAGE',
    `${option}: expected a whole number from ${least} to ${most}, found "${text}"`,
  );
}

/** An ISO 8601 time with a zone, as milliseconds since 1970. */
export function isoTime(option: string, text: string): number {
  const value = /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(value)) return value;
  throw new WeirError('USAGE', `${option}: expected a time such as 2026-01-31T12:00:00Z, found "${text}"`);
}
