/**
 * What a command is, and how it reads its arguments.
 */
import { statSync } from 'node:fs';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { DriveOptions } from '../author/drive.js';
import { systemCode, WeirError } from '../errors.js';
import { isTimezone } from '../timezone.js';

export interface Command {
  /** One line for `weir --help`. */
  readonly summary: string;
  /** The whole of `weir NAME --help`. */
  readonly help: string;
  /** Runs the command and answers the exit code. */
  run(args: readonly string[]): Promise<number>;
}

/** Commands by name; each is read when it is called for: most of the time that a short command takes is reading code. */
export type Commands = Readonly<Record<string, () => Promise<Command | CommandTable>>>;

/** A command that is a table of others, as `weir` itself is. */
export interface CommandTable {
  readonly summary: string;
  /** What goes before the list of commands in `--help`. */
  readonly intro: string;
  /** What goes behind it. */
  readonly outro: string;
  readonly commands: Commands;
}

/** Runs the command of a table that the arguments name, and answers the exit code. */
export async function runNamed(table: CommandTable, args: readonly string[]): Promise<number> {
  const [name, ...rest] = args[0] === 'help' && args[1] !== undefined ? [...args.slice(1), '--help'] : args;
  if (name === undefined || isHelp(name) || name === 'help') {
    process.stdout.write(await helpOf(table));
    return name === undefined ? 2 : 0;
  }
  const load = Object.hasOwn(table.commands, name) ? table.commands[name] : undefined;
  if (!load) {
    const known = Object.keys(table.commands).join(', ');
    throw new WeirError('USAGE', `expected a command (${known}), found "${name}"`);
  }
  const command = await load();
  if ('commands' in command) return runNamed(command, rest);
  if (!rest.some(isHelp)) return command.run(rest);
  process.stdout.write(command.help);
  return 0;
}

function isHelp(argument: string): boolean {
  return argument === '--help' || argument === '-h';
}

async function helpOf({ intro, outro, commands }: CommandTable): Promise<string> {
  const width = Math.max(...Object.keys(commands).map((name) => name.length)) + 2;
  const lines = Object.entries(commands).map(async ([name, load]) => {
    const { summary } = await load();
    return `  ${name.padEnd(width)}${summary}\n`;
  });
  return `${intro}\n${(await Promise.all(lines)).join('')}\n${outro}`;
}

/** `parseArgs` with errors that a person can use. */
export function parseCommand<T extends ParseArgsConfig>(
  args: readonly string[],
  config: T,
): ReturnType<typeof parseArgs<T & { args: string[]; strict: true }>> {
  try {
    return parseArgs({ ...config, args: [...args], strict: true });
  } catch (error) {
    // What comes after the first sentence is for those who write options.
    const [problem = ''] = (error as Error).message.split(/\.\s/);
    const known = Object.keys(config.options ?? {}).map((option) => `--${option}`);
    const isUnknown = systemCode(error) === 'ERR_PARSE_ARGS_UNKNOWN_OPTION';
    throw new WeirError(
      'USAGE',
      isUnknown
        ? `${problem}, expected ${known.length > 0 ? `one of ${known.join(', ')}` : 'no options'}`
        : problem,
    );
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

/** A path of a folder that is there. */
export function folderPath(option: string, path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  throw new WeirError('USAGE', `${option}: expected a folder, found none at ${path}`);
}

/** An ISO 8601 time with a zone, as milliseconds since 1970. */
export function isoTime(option: string, text: string): number {
  const [, day = ''] = /^(\d{4}-\d\d-\d\d)T[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  // Date.parse takes February 30 for March 2.
  const isDay = day !== '' && new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day);
  const value = isDay ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(value)) return value;
  throw new WeirError('USAGE', `${option}: expected a time such as 2026-01-31T12:00:00Z, found "${text}"`);
}

/** A length of time such as `30s`, in milliseconds. */
export function duration(option: string, text: string): number {
  const [, number, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) * (UNITS_MS[unit] ?? 0);
  throw new WeirError('USAGE', `${option}: expected a time such as 30s or 5m, found "${text}"`);
}

/** A time as above, or an age such as `15m`, as milliseconds since 1970. */
export function timeOrAge(option: string, text: string, nowMs: number): number {
  const [, number, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (number !== undefined) return nowMs - Number(number) * (UNITS_MS[unit] ?? 0);
  if (/^[\d-]+T/.test(text)) return isoTime(option, text);
  throw new WeirError(
    'USAGE',
    `${option}: expected a time such as 2026-01-31T12:00:00Z or an age such as 24h, found "${text}"`,
  );
}

/** What the options of a run say of its settings; only what is given. */
export function givenSettings(values: SettingsValues): DriveOptions {
  const { 'config-json': config, now, timezone } = values;
  return {
    ...(config === undefined ? {} : { config: jsonObject('--config-json', config) }),
    ...(now === undefined ? {} : { now: isoTime('--now', now) }),
    ...(timezone === undefined ? {} : { timezone: zoneName('--timezone', timezone) }),
  };
}

interface SettingsValues {
  readonly 'config-json'?: string | undefined;
  readonly now?: string | undefined;
  readonly timezone?: string | undefined;
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The name of a time zone. */
export function zoneName(option: string, text: string): string {
  if (isTimezone(text)) return text;
  throw new WeirError('USAGE', `${option}: expected a zone such as "Europe/Berlin", found "${text}"`);
}

/** A JSON object. */
export function jsonObject(option: string, text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Node quotes a part of the text, which may hold a secret.
    const [mistake] = (error as Error).message.split(/, \.*"/);
    throw new WeirError('USAGE', `${option}: expected a JSON object, found ${mistake}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WeirError('USAGE', `${option}: expected a JSON object, found ${text.slice(0, 60)}`);
  }
  return value;
}
