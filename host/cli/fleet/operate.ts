/**
 * What the commands of operators share: the folder of the fleet, the broker, the passphrase, and the question before what does harm.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Broker, connectBroker } from '../../broker.js';
import { oneLine, printable, systemCode, WeirError } from '../../errors.js';
import type { KeyRing } from '../../fleet/edition.js';
import { type FleetFolder, openFleetFolder } from '../../fleet/folder.js';
import { type Operator, openOperator, readFleet } from '../../fleet/operator.js';
import { owedLines } from '../../fleet/owed.js';
import { interruptionIn, interruptionText, settleOvertaken } from '../../fleet/overtaken.js';
import { LOGIN_HELP, LOGIN_OPTIONS, loginOf } from '../login.js';

/** For `parseCommand`. */
export const FLEET_OPTIONS = {
  ...LOGIN_OPTIONS,
  fleet: { type: 'string' },
  server: { type: 'string' },
  config: { type: 'string' },
  data: { type: 'string' },
  'passphrase-file': { type: 'string' },
  yes: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** The lines of these options in a help text. */
export const FLEET_HELP = `  --fleet FOLDER    folder of the operator (default: $WEIR_FLEET, or "fleet" in this folder)
  --server URL      the broker (default: that of --config, or of a host on this machine)
  --config FILE     servers, creds, nkey and tls as in this config of "weir run"
  --data FOLDER     data folder of a host on this machine
${LOGIN_HELP}  --passphrase-file FILE  the passphrase of the keys (default: $WEIR_PASSPHRASE, or it is asked for)
  --yes             do not ask
  --json            print JSON
`;

const { yes: _yes, ...signerOptions } = FLEET_OPTIONS;
const { 'passphrase-file': _passphrase, ...readerOptions } = signerOptions;

/** For commands that ask nothing. */
export const SIGNER_OPTIONS = signerOptions;
export const SIGNER_HELP = FLEET_HELP.replace(/^ {2}--yes .*\n/gm, '');

/** For commands that change nothing. */
export const READER_OPTIONS = readerOptions;
export const READER_HELP = SIGNER_HELP.replace(/^ {2}--passphrase-file .*\n/gm, '');

export type FleetValues = { readonly [name in keyof typeof FLEET_OPTIONS]?: string | boolean | undefined };

export function fleetPath(values: FleetValues): string {
  return textOf(values.fleet) ?? process.env.WEIR_FLEET ?? 'fleet';
}

export function fleetFolder(values: FleetValues): FleetFolder {
  return openFleetFolder(fleetPath(values));
}

export function print(line: string): void {
  process.stderr.write(`weir: ${line}\n`);
}

/** Connects to the broker as an operator. */
export function fleetBroker(values: FleetValues): Promise<Broker> {
  const login = loginOf(values as Parameters<typeof loginOf>[0]);
  return connectBroker({ ...login, name: 'weir-fleet', wait: 'fail-fast', notice: print });
}

/** Reads the repository and does something with it. */
export async function operate<T>(values: FleetValues, work: (operator: Operator) => Promise<T>): Promise<T> {
  const folder = fleetFolder(values);
  const broker = await fleetBroker(values);
  try {
    const ring = () => keyRing(values, folder);
    const operator = await openOperator(folder, broker, print, ring);
    await settleOvertaken(operator, print, ring);
    return await work(operator);
  } finally {
    await broker.close();
  }
}

/** Reads the repository and looks at something; no keys are needed, and nothing is changed. */
export async function observe<T>(
  values: FleetValues,
  work: (operator: Operator) => Promise<T>,
  tell = print,
): Promise<T> {
  const folder = fleetFolder(values);
  const broker = await fleetBroker(values);
  try {
    const operator = await readFleet(folder, broker, tell);
    const interruption = await interruptionIn(operator);
    if (interruption) tell(`fleet: ${interruptionText(interruption)}`);
    for (const line of owedLines(folder)) tell(line);
    return await work(operator);
  } finally {
    await broker.close();
  }
}

/** The operator's keys, to be opened when they are needed. */
export async function keyRing(values: FleetValues, folder: FleetFolder): Promise<KeyRing> {
  return folder.ring(await readPassphrase(values, 'passphrase of the keys'));
}

/** From a file, the environment, or whoever sits at the terminal. */
export async function readPassphrase(values: FleetValues, what: string): Promise<string> {
  const path = textOf(values['passphrase-file']);
  if (path !== undefined) {
    try {
      return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      throw new WeirError(
        'KEY_UNREADABLE',
        `--passphrase-file: ${path}: ${systemCode(error) || oneLine(error)}`,
      );
    }
  }
  if (process.env.WEIR_PASSPHRASE !== undefined) return process.env.WEIR_PASSPHRASE;
  if (process.stdin.isTTY) return ask(`${what}: `, 'hidden');
  throw new WeirError(
    'USAGE',
    'passphrase: expected --passphrase-file, $WEIR_PASSPHRASE or a terminal, found none',
  );
}

/** A passphrase for a new key; typed twice, because what is mistyped opens nothing. */
export async function newPassphrase(values: FleetValues, what: string): Promise<string> {
  const first = await readPassphrase(values, what);
  const isTyped = values['passphrase-file'] === undefined && process.env.WEIR_PASSPHRASE === undefined;
  if (!isTyped || (await ask('the same again: ', 'hidden')) === first) return first;
  throw new WeirError('USAGE', 'passphrase: expected the same twice, found two');
}

/** Asks before what does harm. Throws USAGE where nobody can be asked; false when the answer is no. */
export async function isSure(values: FleetValues, question: string): Promise<boolean> {
  if (values.yes === true) return true;
  if (!process.stdin.isTTY)
    throw new WeirError('USAGE', `${question} expected --yes, because nobody can be asked`);
  return /^y(es)?$/i.test(await ask(`${question} [y/N] `, 'shown'));
}

function ask(question: string, answer: 'hidden' | 'shown'): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  process.stderr.write(question);
  // What is typed is echoed by this; the question above is not.
  if (answer === 'hidden') Object.assign(lines, { _writeToOutput: () => {} });
  return new Promise((resolve) => {
    lines.question('', (text) => {
      lines.close();
      if (answer === 'hidden') process.stderr.write('\n');
      resolve(text);
    });
  });
}

/** Prints an answer: its lines, or itself as JSON. */
export function answer(values: FleetValues, value: unknown, lines: readonly string[]): void {
  if (values.json === true) process.stdout.write(`${JSON.stringify(value)}\n`);
  else process.stdout.write(lines.map((line) => `${printable(line)}\n`).join(''));
}

export function textOf(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
