/**
 * The instructions of a module, as the engine's own disassembler tells them and as the reader walks them.
 */
import { Session } from 'node:inspector';
import * as assert from 'uvu/assert';
import { walkBody } from '../../host/wasm/code.js';
import { readModule } from '../../host/wasm/module.js';
import { NAMES } from '../../host/wasm/opcodes.js';
import { END } from './build.js';

export type Instruction = readonly [at: number, name: string];

/** The instructions of a module as the engine's own disassembler tells them, the last `end` of each function left out. */
export async function disassembled(module: Uint8Array): Promise<Instruction[]> {
  const session = new Session();
  session.connect();
  const scripts: string[] = [];
  session.on('Debugger.scriptParsed', ({ params }) => {
    if (params.url.startsWith('wasm:')) scripts.push(params.scriptId);
  });
  const post = (method: string, params: object) =>
    new Promise<{ chunk: { lines: string[]; bytecodeOffsets: number[] } }>((resolve, reject) => {
      session.post(method, params, (error, answer) => (error ? reject(error) : resolve(answer as never)));
    });
  await post('Debugger.enable', {});
  const compiled = new WebAssembly.Module(module as Uint8Array<ArrayBuffer>);
  const { chunk } = await post('Debugger.disassembleWasmModule', { scriptId: scripts.at(-1) });
  session.disconnect();
  assert.ok(compiled);
  const told = chunk.lines.map(
    (line, index): Instruction => [
      chunk.bytecodeOffsets[index] as number,
      /^ +([\w.]+)/.exec(line)?.[1] ?? '',
    ],
  );
  // A line with brackets is no instruction: the module, a function, its locals.
  return told.filter(([, name], index) => name !== '' && !/^ *\(|^ *\)/.test(chunk.lines[index] as string));
}

/** The same as the reader walks them. */
export function walked(bytes: Uint8Array): Instruction[] {
  const module = readModule(bytes);
  const told: Instruction[] = [];
  for (const body of module.bodies) {
    walkBody(module, body, (opcode, at, after, depth) => {
      assert.ok(after > at && after <= body.end);
      if (opcode !== END || depth > 1) told.push([at, NAMES.get(opcode) as string]);
    });
  }
  return told;
}
