/**
 * Where in its author's source a filter was when it went wrong: the engine's stack trace tells bytes of the metered
 * module, the meter which of the compiled module they are, and the source map of the build (ECMA-426) which lines.
 */
import { SourceMap, type SourceMapPayload } from 'node:module';
import type { InstalledFilter } from '../filter/library.js';
import { originalPlaces } from '../wasm/meter.js';
import { type Body, readModule } from '../wasm/module.js';

/** A frame in WebAssembly: number of the function, byte of the module. */
const FRAME = /wasm-function\[\d+\]:0x([0-9a-f]+)/g;
/** How far a line is looked for from an instruction that the compiler took out of a library's function. */
const NEAR_BYTES_MAX = 256;

/**
 * ` (filter.ts:12)`: the innermost line of the author's own, with `near` where the library's code stands in its place; empty
 * where a line is told already, or none is known.
 */
export function authorsPlace({ manifest, module, sourceMap }: InstalledFilter, error: Error): string {
  const frames = framesOf(error);
  if (frames.length === 0 || /\((?:near )?\S+\.ts:\d+\)/.test(error.message)) return '';
  const text = sourceMap?.();
  if (text === undefined) return '';
  const read = readModule(module);
  const originalPlace = originalPlaces(read);
  const lineOf = lineFinder(text, `filters/${manifest.name}/`);
  for (const frame of frames) {
    const at = originalPlace(frame);
    const line = lineOf(at);
    if (line !== undefined) return ` (${line})`;
    const body = read.bodies.find(({ locals, end }) => locals <= at && at < end);
    const near = body && nearest(at, body, lineOf);
    if (near !== undefined) return ` (near ${near})`;
  }
  return '';
}

type LineOf = (at: number) => string | undefined;

/** The author's line that comes last before a place in a function, or else first behind it. */
function nearest(at: number, { locals, end }: Body, lineOf: LineOf): string | undefined {
  const from = Math.max(locals, at - NEAR_BYTES_MAX);
  const to = Math.min(end, at + NEAR_BYTES_MAX);
  for (let before = at - 1; before >= from; before--) {
    const line = lineOf(before);
    if (line !== undefined) return line;
  }
  for (let after = at + 1; after < to; after++) {
    const line = lineOf(after);
    if (line !== undefined) return line;
  }
  return undefined;
}

/** From a byte of the compiled module to file and line, where it was made of a file in the author's folder. */
function lineFinder(text: string, own: string): LineOf {
  const map = new SourceMap(JSON.parse(text) as SourceMapPayload);
  return (at) => {
    // Typed as if each byte had a source; those that the compiler made itself have none.
    const { originalSource = '', originalLine = 0 } = map.findEntry(0, at) as Partial<
      ReturnType<SourceMap['findEntry']> & { originalSource: string; originalLine: number }
    >;
    const start = originalSource.indexOf(own);
    return start < 0 ? undefined : `${originalSource.slice(start + own.length)}:${originalLine + 1}`;
  };
}

/** Bytes of the metered module, innermost first: of the error itself, or of what caused it. */
function framesOf(error: unknown): number[] {
  if (!(error instanceof Error)) return [];
  const caused = framesOf(error.cause);
  if (caused.length > 0) return caused;
  return [...(error.stack ?? '').matchAll(FRAME)].map(([, at]) => Number.parseInt(at as string, 16));
}
