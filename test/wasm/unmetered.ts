/**
 * A filter as its compiler left it, to compare with the metered one.
 */
import { FUEL_EXPORT } from '../../host/wasm/meter.js';
import { readModule } from '../../host/wasm/module.js';
import { END, I64, join, leb, moduleOf, section, text } from './build.js';

/** The plain module with the global of the fuel, which nothing in it charges. */
export function unmetered(_name: string, bytes: Uint8Array): WebAssembly.Module {
  const { sections, globals } = readModule(bytes);
  const fuel = [I64, 1, 0x42, 0, END];
  const parts = sections.map(({ id, start, content, end }) => {
    const whole = bytes.subarray(start, end);
    const inside = (item: readonly number[] | Uint8Array) => {
      const count = bytes[content] as number;
      if (count >= 0x7f) throw new Error(`expected up to 126 items, found ${count} in section ${id}`);
      return section(id, join([count + 1], bytes.subarray(content + 1, end), item));
    };
    if (id === 6) return inside(fuel);
    return id === 7 ? inside(join(text(FUEL_EXPORT), 0x03, leb(globals.length))) : whole;
  });
  return new WebAssembly.Module(moduleOf(...parts) as Uint8Array<ArrayBuffer>);
}
