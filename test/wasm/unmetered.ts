/**
 * A module as its compiler left it, and one that counts each instruction by itself, to compare with the metered one.
 */
import { walkBody } from '../../host/wasm/code.js';
import { FUEL_EXPORT } from '../../host/wasm/meter.js';
import { type Body, readModule, type WasmModule } from '../../host/wasm/module.js';
import { NAMES } from '../../host/wasm/opcodes.js';
import { END, I64, join, leb, moduleOf, op, type Part, section, text, vector } from './build.js';

/** The plain module with the global of the fuel, which nothing in it charges. */
export function unmetered(_name: string, bytes: Uint8Array): WebAssembly.Module {
  return new WebAssembly.Module(withFuel(bytes) as Uint8Array<ArrayBuffer>);
}

/** The module with a charge before every instruction: what it does, to the last one, but lengths of copies. */
export function exact(bytes: Uint8Array): Uint8Array {
  return withFuel(bytes, countedBody);
}

function withFuel(
  bytes: Uint8Array,
  bodyOf?: (module: WasmModule, body: Body, fuel: number) => Uint8Array,
): Uint8Array {
  const module = readModule(bytes);
  const { sections, globals, bodies } = module;
  const fuel = [I64, 1, 0x42, 0, END];
  const hasGlobals = sections.some(({ id }) => id === 6);
  const parts = sections.flatMap(({ id, start, content, end }) => {
    const inside = (item: Part) => {
      const count = bytes[content] as number;
      if (count >= 0x7f) throw new Error(`expected up to 126 items, found ${count} in section ${id}`);
      return section(id, join([count + 1], bytes.subarray(content + 1, end), item));
    };
    if (id === 6) return [inside(fuel)];
    if (id === 7) {
      const exported = inside(join(text(FUEL_EXPORT), 0x03, leb(globals.length)));
      return hasGlobals ? [exported] : [section(6, vector([fuel])), exported];
    }
    if (id !== 10 || !bodyOf) return [bytes.subarray(start, end)];
    const counted = bodies.map((body) => bodyOf(module, body, globals.length));
    return [section(id, vector(counted.map((body) => join(leb(body.length), body))))];
  });
  return moduleOf(...parts);
}

function countedBody(module: WasmModule, body: Body, fuel: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let from = body.locals;
  walkBody(module, body, (opcode, at) => {
    const cost = costOf(NAMES.get(opcode) as string);
    if (cost === 0) return;
    parts.push(module.bytes.subarray(from, at));
    parts.push(
      join(op('global.get'), leb(fuel), op('i64.const', cost), op('i64.sub'), op('global.set'), leb(fuel)),
    );
    from = at;
  });
  return join(...parts, module.bytes.subarray(from, body.end));
}

/** As `runtime/README.md` has it. */
function costOf(name: string): number {
  if (/^(block|loop|else|end|nop|drop|local\..*|.*\.const)$/.test(name)) return 0;
  if (/^memory\.(copy|fill|init)$/.test(name)) return 32;
  if (/^i(32|64)\.(div|rem)_|^call_indirect$/.test(name)) return 16;
  if (/^f.*\.(div|sqrt)$/.test(name)) return 8;
  return name === 'call' ? 4 : 1;
}
