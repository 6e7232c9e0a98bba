/**
 * `weir fleet nats-config`: keys for appliances and operators, and the configuration of a nats-server that lets them in.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { sha256Of } from '../../digest.js';
import { isAddress } from '../../configvalues.js';
import { replaceFile } from '../../durable.js';
import { oneLine, systemCode, WeirError } from '../../errors.js';
import { checkName, natsConfig, type NatsConfigOptions } from '../../fleet/natsconfig.js';
import { keepSeed } from '../../fleet/nkeys.js';
import { FLEET_APPLIANCES_MAX, FLEET_LIST_BYTES_MAX } from '../../fleetlimits.js';
import { type Command, parseCommand } from '../command.js';

const DEFAULT_LISTEN = '127.0.0.1:4222';

export const natsConfigCommand: Command = {
  summary: 'write keys, and the configuration of a nats-server with the least rights',
  help: `Usage: weir fleet nats-config --out FOLDER [OPTIONS]

Writes FOLDER/nats.conf for "nats-server -c", with a key for each appliance and each operator, whose secret parts are
FOLDER/appliances/ID.nk and FOLDER/operators/NAME.nk. Bring each to its owner: "nkey" in "nats" of the config of "weir run", --nkey of
"weir verify", "weir tap" and the commands of the fleet. Run again, it keeps the keys that are there, so that a new appliance changes nothing
for the others, and the options of the server, but for those that are given (to begin anew, remove FOLDER/nats.conf); to take an appliance
out, remove its file, run it again, and let the server read its configuration again ("nats-server --signal reload").

An appliance may publish its own events, dead letters, status and audit, read the repository and its own last messages, and hear
announcements. It may read nothing of others, make nothing and delete nothing. Operators may do everything with what is kept.

  --out FOLDER         where all of it goes
  --appliance ID       an appliance; may be repeated
  --appliances FILE    appliances, one a line; what follows a # is a comment
  --operator NAME      an operator; may be repeated (default: "operator", where there is none yet)
  --listen ADDRESS     address and port of the server (default: ${DEFAULT_LISTEN})
  --store FOLDER       folder of its JetStream (default: FOLDER/store)
  --tls-cert FILE      certificate of the server, with
  --tls-key FILE       its key: then nobody gets in without TLS
  --tls-ca FILE        clients need a certificate of this authority as well as their key
  --yes                replace a FOLDER/nats.conf that this command has not written, or that was changed since
  --json               print what was written as JSON

Up to ${FLEET_APPLIANCES_MAX} appliances. Before the first one comes, "weir fleet streams" makes the streams of the fleet.

Example: weir fleet nats-config --out fleet --appliance fw-01 --appliance fw-02 && nats-server -c fleet/nats.conf
`,
  async run(args) {
    const { values } = parseCommand(args, {
      options: {
        out: { type: 'string' },
        appliance: { type: 'string', multiple: true, default: [] },
        appliances: { type: 'string' },
        operator: { type: 'string', multiple: true, default: [] },
        listen: { type: 'string' },
        store: { type: 'string' },
        'tls-cert': { type: 'string' },
        'tls-key': { type: 'string' },
        'tls-ca': { type: 'string' },
        yes: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    if (values.out === undefined) throw new WeirError('USAGE', 'expected --out FOLDER');
    if (values.listen !== undefined && !isAddress(values.listen))
      throw new WeirError(
        'USAGE',
        `--listen: expected an address such as ${DEFAULT_LISTEN}, found "${values.listen}"`,
      );
    const folder = resolve(values.out);
    const config = join(folder, 'nats.conf');
    const tls = tlsOf(values);
    const listed = values.appliances === undefined ? [] : namesIn(values.appliances);
    checkAll('appliance', [...values.appliance, ...listed]);
    checkAll('operator', values.operator);
    // All that can be refused is, before anything is written.
    const before = serverIn(config, values.yes);
    const server: Server = {
      listen: values.listen ?? before?.listen ?? DEFAULT_LISTEN,
      storeDir:
        values.store === undefined ? (before?.storeDir ?? join(folder, 'store')) : resolve(values.store),
      ...(tls ? { tls } : before?.tls ? { tls: before.tls } : {}),
    };
    const appliances = keysIn(join(folder, 'appliances'), [...values.appliance, ...listed], []);
    const operators = keysIn(join(folder, 'operators'), values.operator, ['operator']);
    const text = natsConfig({
      appliances: appliances.map(({ name, publicKey }) => ({ id: name, publicKey })),
      operators,
      ...server,
    });
    write(config, `${OPTIONS}${JSON.stringify(server)}\n${text}`);
    if (values.json)
      process.stdout.write(`${JSON.stringify({ schema: 1, config, appliances, operators })}\n`);
    else process.stdout.write(summary(config, appliances, operators));
    return 0;
  },
};

interface Key {
  readonly name: string;
  readonly publicKey: string;
  /** Path of the secret part. */
  readonly seed: string;
  readonly isNew: boolean;
}

/** The keys of a folder: those that are there, and new ones for `names`; in the order of their names. */
function keysIn(folder: string, names: readonly string[], otherwise: readonly string[]): readonly Key[] {
  const there = seedsIn(folder);
  const all = new Set([...there, ...names]);
  const wanted = [...(all.size > 0 ? all : otherwise)];
  return wanted.sort().map((name) => {
    const seed = join(folder, `${name}.nk`);
    return { name, seed, ...keepSeed(seed) };
  });
}

function seedsIn(folder: string): readonly string[] {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return readdirSync(folder).flatMap((file) => /^(.*)\.nk$/.exec(file)?.[1] ?? []);
  } catch (error) {
    throw new WeirError('OUTPUT_UNWRITABLE', `${folder}: ${oneLine(error)}`);
  }
}

function checkAll(kind: string, names: readonly string[]): void {
  for (const name of names) checkName(kind, name);
}

/** Names in a file, one a line. */
function namesIn(path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new WeirError('USAGE', `--appliances: ${path}: expected a readable file, found ${oneLine(error)}`);
  }
  if (text.length > FLEET_LIST_BYTES_MAX)
    throw new WeirError(
      'USAGE',
      `--appliances: ${path}: expected up to ${FLEET_LIST_BYTES_MAX} bytes, found more`,
    );
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((name) => name !== '');
}

function tlsOf(values: Readonly<Record<string, unknown>>): NatsConfigOptions['tls'] {
  const [cert, key, ca] = ['tls-cert', 'tls-key', 'tls-ca'].map(
    (option) => values[option] as string | undefined,
  );
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw new WeirError('USAGE', 'expected --tls-cert and --tls-key beside each other');
  return { cert: resolve(cert), key: resolve(key), ...(ca === undefined ? {} : { ca: resolve(ca) }) };
}

/** The first line of what this command has written: what follows is as it was. */
const MARK = /^# Written by "weir fleet nats-config"; SHA-256 of what follows: ([0-9a-f]{64})\n/;

function write(path: string, text: string): void {
  try {
    replaceFile(
      path,
      `# Written by "weir fleet nats-config"; SHA-256 of what follows: ${sha256Of(text)}\n${text}`,
      true,
    );
  } catch (error) {
    throw new WeirError('OUTPUT_UNWRITABLE', `${path}: ${oneLine(error)}`);
  }
}

/** Options of the server, which stand behind the first line and are kept until others are given. */
type Server = Pick<NatsConfigOptions, 'listen' | 'storeDir' | 'tls'>;
const OPTIONS = '# Options: ';

/** The options with which the file was written. Throws FILE_EXISTS for what somebody else has written, unless that is to be replaced. */
function serverIn(path: string, isReplaced: boolean): Server | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new WeirError('OUTPUT_UNWRITABLE', `${path}: ${oneLine(error)}`);
  }
  const [mark = '', written] = MARK.exec(text) ?? [];
  const rest = text.slice(mark.length);
  if (written === sha256Of(rest)) {
    const [line = ''] = rest.split('\n', 1);
    return line.startsWith(OPTIONS) ? JSON.parse(line.slice(OPTIONS.length)) : undefined;
  }
  if (isReplaced) return undefined;
  const problem =
    'expected what this command has written (or --yes), found something else, or that it was changed';
  throw new WeirError('FILE_EXISTS', `${path}: ${problem}`);
}

function summary(config: string, appliances: readonly Key[], operators: readonly Key[]): string {
  const made = [...appliances, ...operators].filter(({ isNew }) => isNew);
  return `wrote ${config}: ${appliances.length} appliances, ${operators.length} operators
${made.map(({ seed }) => `wrote ${seed}\n`).join('')}next: nats-server -c ${config}
`;
}
