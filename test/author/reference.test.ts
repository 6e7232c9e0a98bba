/**
 * `filters/REFERENCE.md` and the library say the same: each export of `runtime/index.ts`, and each public member of its
 * classes, stands on the page with the signature that it has, and nothing else does.
 *
 * Members are read from the source by regular expressions, which its format allows. What stands behind a comment that
 * begins with `// For ` is for the library itself.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../command.js';

const textOf = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** For the library itself, in files that do not mark it. */
const INSIDE = [
  'new Config(parent: Config | null, name: string, index: i32, kind: i32, start: usize, end: usize)',
  'Field.forget(): void',
  'Field.setScalar(start: usize, end: usize): bool',
  'Patterns.newlines: u32',
  'Patterns.next(from: usize, end: usize): usize',
  'Table.eventsOf(row: usize): u64',
  'Table.rowBytes: usize',
];
/** Readers hand these out. */
const NOT_MADE = ['Arguments', 'Field', 'Key', 'Value'];

function oneLine(signature: string): string {
  return signature.replace(/\s+/g, ' ').replace(/,? \)/g, ')').replaceAll('( ', '(').trim();
}

/** Signatures of an export: a constant or function has one, a class one for each public member. */
function signaturesOf(file: string, name: string): string[] {
  const types = [...textOf(file).matchAll(/^export type (\w+) = (.*);$/gm)];
  const source = types.reduce(
    (text, [, type, meaning]) =>
      text.replaceAll(`: ${type})`, `: ${meaning})`).replaceAll(`: ${type},`, `: ${meaning},`),
    textOf(file),
  );
  const body = source.match(
    new RegExp(`^export class ${name} (?:extends \\w+ )?\\{\\n([\\s\\S]*?)^\\}`, 'm'),
  )?.[1];
  if (body !== undefined) return membersOf(name, body.split(/^ +\/\/ For /m)[0] as string);
  const found =
    source.match(new RegExp(`^export function (${name}\\([\\s\\S]*?\\): [^{]+) \\{`, 'm')) ??
    source.match(new RegExp(`^export const (${name}: \\w+)`, 'm'));
  assert.ok(found, `${file}: ${name}`);
  return [oneLine(found[1] as string)];
}

function membersOf(name: string, body: string): string[] {
  const members = body.matchAll(
    /^ {2}(?!private|\/|\*|\})((?:static |readonly |get )*)(\w+)(\([\s\S]*?\)(?:: [^{]+)? \{|: [^=;]+)/gm,
  );
  const made: string[] = [];
  const others: string[] = [];
  for (const [, words = '', member, after = ''] of members) {
    const rest = oneLine(after.replace(/ \{$/, ''));
    if (member === 'constructor') {
      made.push(`new ${name}${rest.replace(/\b(private|readonly) /g, '')}`);
      for (const [, field] of rest.matchAll(/readonly (\w+: \w+)/g)) others.push(`${name}.${field}`);
    } else others.push(`${name}.${member}${words.includes('get') ? rest.slice(2) : rest}`);
  }
  if (made.length === 0 && !NOT_MADE.includes(name)) made.push(`new ${name}()`);
  return [...made, ...others];
}

/** Signatures in the first column of the page's tables. Below a heading that names a class, members stand by themselves. */
function describedSignatures(): string[] {
  return textOf('filters/REFERENCE.md')
    .split(/^##+ /m)
    .flatMap((section) => {
      const [, ofClass] = section.match(/^`(\w+)`/) ?? [];
      return [...section.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, signature = '']) =>
        ofClass === undefined || signature.startsWith('new ') || signature.startsWith(`${ofClass}.`)
          ? signature
          : `${ofClass}.${signature}`,
      );
    });
}

test('every export of the library stands in the reference with its signature, and nothing else', () => {
  const lines = [...textOf('runtime/index.ts').matchAll(/^export \{ ([^}]*) \} from '\.\/(\w+)';$/gm)];
  const signatures = lines.flatMap(([, names = '', file]) =>
    names.split(', ').flatMap((name) => signaturesOf(`runtime/${file}.ts`, name)),
  );
  for (const signature of INSIDE) assert.ok(signatures.includes(signature), `${signature} is no more`);
  const expected = signatures.filter((signature) => !INSIDE.includes(signature)).sort();
  const described = describedSignatures().sort();
  assert.equal(
    {
      missing: expected.filter((signature) => !described.includes(signature)),
      unknown: described.filter((signature) => !expected.includes(signature)),
      twice: described.filter((signature, at) => described[at - 1] === signature),
    },
    { missing: [], unknown: [], twice: [] },
  );
});

test.run();
