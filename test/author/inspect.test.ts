/**
 * `weir inspect` as a user types it: what a module is, and every reason against it.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MODULE_BYTES_MAX } from '../../host/limits.js';
import { ROOT, saidHere } from '../command.js';
import { temporaryFolder } from '../help.js';
import { buildTestFilter } from '../runtime/testfilter.js';
import { filter, HONEST, join as bytes, text } from '../wasm/build.js';

const inspect = suite<{ folder: string }>('weir inspect');
inspect.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
inspect.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const KEYS =
  'module version bytes sha256 verdict reasons functions instructions features imports exports memory regions';
const SHIPPED = join(ROOT, 'dist/filters/ssh-auth');

inspect('a shipped filter is admitted, and told for people and for machines', async () => {
  const module = readFileSync(join(SHIPPED, 'filter.wasm'));
  const manifest = JSON.parse(readFileSync(join(SHIPPED, 'filter.json'), 'utf8'));
  const people = await saidHere(['inspect', 'ssh-auth']);
  assert.is(`${people.code} ${people.err}`, '0 ');
  assert.match(
    people.out,
    /^ssh-auth \d+\.\d+\.\d+: admitted\n {2}size {6}[\d,]+ bytes\n {2}sha256 {4}[0-9a-f]{64}\n/,
  );
  assert.match(people.out, /^ {12}function weir_batch \(i32, i32, i64, i32\) -> \(i32\)$/m);
  assert.match(
    people.out,
    /^ {2}memory {4}[\d,]+ bytes in \d+ pages\n {12}0x00000000 static +[\d,]+ bytes$/m,
  );

  const machines = await saidHere(['inspect', 'ssh-auth', '--json']);
  const [found] = machines.records();
  assert.is(Object.keys(found).join(' '), KEYS);
  assert.is(found.version, manifest.version);
  assert.is(found.bytes, module.length);
  assert.is(found.sha256, createHash('sha256').update(module).digest('hex'));
  assert.equal([found.verdict, found.reasons], ['admitted', []]);
  assert.equal(
    found.imports.map(({ name }: { name: string }) => name),
    ['env.abort', 'env.memory'],
  );
  assert.equal(found.memory, { initial: 1, maximum: 1_024 });
  assert.ok(found.instructions > 5_000 && found.features.includes('SIMD'));
  const end = found.regions.reduce((sum: number, region: { start: number; bytes: number }) => {
    assert.is(region.start, sum);
    return sum + region.bytes;
  }, 0);
  assert.is(end % 65_536, 0);

  const help = (await saidHere(['inspect', '--help'])).out;
  for (const key of KEYS.split(' ')) assert.match(help, new RegExp(`\\b${key}\\b`), key);
});

inspect('a folder of a module and its manifest is taken, as swap does', async () => {
  const folder = join(ROOT, 'dist/filters/ssh-auth');
  const { code, out } = await saidHere(['inspect', folder]);
  assert.is(code, 0);
  assert.match(out, /^\S*dist\/filters\/ssh-auth 1\.0\.0: admitted\n/);
  assert.match(out, /0x00000000 static/);
});

inspect('a module alone has no map of its memory', async ({ folder }) => {
  writeFileSync(join(folder, 'small.wasm'), filter());
  const { code, out } = await saidHere(['inspect', 'small.wasm'], folder);
  assert.is(code, 0);
  assert.match(out, /^small\.wasm: admitted\n/);
  assert.not.match(out, /0x00000000/);
  const [found] = (await saidHere(['inspect', './small.wasm', '--json'], folder)).records();
  assert.equal([found.version, found.regions, found.functions, found.instructions], [null, null, 5, 9]);
});

inspect('a refused module has every reason, and its names steer no terminal', async ({ folder }) => {
  const evil = '\x1b[2J\u202e\n';
  const many = Array.from({ length: 30 }, (_, at) => bytes(text(`${evil}${at}`), [0x00, 0]));
  const imports = [...HONEST.imports, bytes(text('env'), text(evil), [0x03, 0x7f, 1])];
  const module = filter({ start: 3, imports, exports: [...HONEST.exports, ...many] });
  writeFileSync(join(folder, 'evil.wasm'), module);
  const { code, out, err } = await saidHere(['inspect', 'evil.wasm'], folder);
  assert.is(`${code} ${err}`, '1 ');
  assert.match(
    out,
    /^evil\.wasm: refused\n {2}import {4}expected to import only .* found global env\.\\u001b\[2J\\u202e\\u000a\n/,
  );
  assert.match(out, /^ {2}start {5}expected no start function but weir_start, found one$/m);
  assert.match(out, /^ {12}global env\.\\u001b\[2J\\u202e\\u000a mutable i32$/m);
  assert.match(out, /^ {12}and 15 more$/m);
  const json = await saidHere(['inspect', 'evil.wasm', '--json'], folder);
  assert.is(json.code, 1);
  for (const line of [...out.split('\n'), json.out.trimEnd()])
    assert.not.match(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  const [found] = json.records();
  assert.is(found.exports.length, 35);
  assert.equal(
    found.reasons.map((reason: { code: string }) => reason.code),
    ['import', 'start'],
  );
});

inspect('what is no module, or too large for one, is refused with what is known', async ({ folder }) => {
  writeFileSync(join(folder, 'script.wasm'), '#!/bin/sh\n');
  writeFileSync(join(folder, 'large.wasm'), Buffer.alloc(MODULE_BYTES_MAX + 1));
  for (const [name, reason] of [
    ['script.wasm', { code: 'malformed', sentence: 'expected a WebAssembly module, found other bytes' }],
    ['large.wasm', { code: 'size', sentence: 'expected a module of up to 524288 bytes, found 524289' }],
  ] as const) {
    const { code, records } = await saidHere(['inspect', name, '--json'], folder);
    assert.is(code, 1);
    const [{ verdict, reasons, functions, exports, sha256 }] = records();
    assert.equal([verdict, reasons, functions, exports], ['refused', [reason], null, null]);
    assert.is(
      sha256,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    );
  }
  spawnSync('mkfifo', [join(folder, 'pipe.wasm')]);
  const { code, err } = await saidHere(['inspect', 'pipe.wasm'], folder);
  assert.is(code, 1);
  assert.match(
    err,
    /^weir: MODULE_UNREADABLE: pipe\.wasm: expected a readable file, found something else than a file; /,
  );
});

inspect('a filter whose memory is another than its manifest says is refused', async ({ folder }) => {
  const own = join(folder, 'dist/filters/ssh-auth');
  mkdirSync(own, { recursive: true });
  cpSync(join(SHIPPED, 'filter.json'), join(own, 'filter.json'));
  const memory = bytes(text('env'), text('memory'), [0x02, 1, 1, 2]);
  writeFileSync(join(own, 'filter.wasm'), filter({ imports: [HONEST.imports[0] as Uint8Array, memory] }));
  const { code, out } = await saidHere(['inspect', 'ssh-auth'], folder);
  assert.is(code, 1);
  assert.match(
    out,
    /^ {2}memory {4}expected to import a memory that can have \d+ pages, found one of 1 to 2$/m,
  );
});

inspect('a manifest that is wrong, or gives less than the module needs, is a reason', async ({ folder }) => {
  const own = join(folder, 'own');
  cpSync(SHIPPED, own, { recursive: true });
  const path = join(own, 'filter.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  const { memory, streams } = manifest;
  for (const [changes, reason] of [
    [
      { memory: { ...memory, state: '4KiB' } },
      /^filter ssh-auth: memory\.state of filter\.json: expected at least /,
    ],
    [{ memory: { ...memory, static: '1KiB' } }, /^filter ssh-auth: memory\.static: expected \d+ bytes /],
    [
      { memory: { ...memory, state: '63MiB', input: '4MiB' } },
      /filter\.json: memory: expected at most 64MiB in all/,
    ],
    [{ fuel: 1 }, /filter\.json: fuel: expected a whole number from /],
    [
      { streams: { ...streams, other: 'none' } },
      /^filter ssh-auth: streams: expected those that filter\.ts makes/,
    ],
  ] as const) {
    writeFileSync(path, JSON.stringify({ ...manifest, ...changes }));
    for (const what of ['./own', 'own/filter.wasm']) {
      const { code, records } = await saidHere(['inspect', what, '--json'], folder);
      const [{ verdict, reasons }] = records();
      assert.equal([code, verdict, reasons.length, reasons[0].code], [1, 'refused', 1, 'manifest']);
      assert.match(reasons[0].sentence, reason);
    }
  }
  const { out } = await saidHere(['inspect', './own'], folder);
  assert.match(out, /^\.\/own 1\.0\.0: refused\n {2}manifest {2}filter ssh-auth: streams: /);
});

inspect('a filter that asks for a config is admitted without one', async () => {
  const built = await buildTestFilter('csv-columns');
  const { code, out } = await saidHere(['inspect', join(built.folder, 'csv-columns')]);
  assert.is(code, 0, out);
  await built.remove();
});

inspect.run();
