/**
 * What a module is and whether it may run: the figures of `weir inspect`. Every name that the module chose is made harmless before it
 * is shown.
 *
 * Of a module alone nothing runs. Whether a manifest gives it what it needs only the module itself knows, so with one it is started, once it is
 * admitted, as a host would: metered, in a memory of that size.
 */
import { sha256Of } from '../digest.js';
import { printable, WeirError } from '../errors.js';
import { judge, misfit, type Reason as ModuleReason } from '../filter/admit.js';
import { startFilter } from '../filter/instance.js';
import type { Manifest } from '../filter/manifest.js';
import { PAGE_BYTES } from '../limits.js';
import type { Export, Import, WasmModule } from '../wasm/module.js';
import { functionTypeText, globalTypeText, type Limits, limitsText, tableTypeText } from '../wasm/types.js';
import { counted, grouped } from './report.js';

/** `manifest`: it says something that is wrong, or other than the module needs. */
export type Reason = ModuleReason | { readonly code: 'manifest'; readonly sentence: string };

/** An import or export; the type as `weir inspect` shows it. */
export interface Named {
  readonly name: string;
  readonly kind: string;
  readonly type: string;
}

/** A part of a filter's memory. */
export interface Region {
  readonly region: string;
  readonly start: number;
  readonly bytes: number;
}

/** What `weir inspect --json` prints; null where the module could not be read, or there is no manifest. */
export interface Inspection {
  readonly module: string;
  readonly version: string | null;
  readonly bytes: number;
  readonly sha256: string;
  readonly verdict: 'admitted' | 'refused';
  readonly reasons: readonly Reason[];
  readonly functions: number | null;
  readonly instructions: number | null;
  readonly features: readonly string[] | null;
  readonly imports: readonly Named[] | null;
  readonly exports: readonly Named[] | null;
  /** Pages of the memory that it imports. */
  readonly memory: Limits | null;
  readonly regions: readonly Region[] | null;
}

/** Names of one kind that people are shown. */
const SHOWN_MAX = 20;
const NAME_CHARACTERS_MAX = 60;

/** Judges a module, and how it goes with the manifest that it comes with where it has one. `name` is what people call it. */
export function inspect(name: string, bytes: Uint8Array, loadManifest?: () => Manifest): Inspection {
  const { module, reasons: found, instructions, features } = judge(bytes);
  const memory = module === undefined ? undefined : importedMemory(module);
  const reasons: Reason[] = [...found];
  const against = (problem: string) => reasons.push({ code: 'manifest', sentence: printable(problem) });
  const manifest = loadManifest && attempt(loadManifest, against);
  if (memory !== undefined && manifest !== undefined) {
    const sentence = misfit(memory, manifest.memoryBytes / PAGE_BYTES);
    if (sentence !== undefined) reasons.push({ code: 'memory', sentence });
  }
  if (manifest !== undefined && reasons.length === 0)
    attempt(() => startFilter({ manifest, module: bytes, config: {}, zones: [] }), against);
  const named = (list: readonly (Import | Export)[]) =>
    list.map((each) => namedOf(module as WasmModule, each));
  return {
    module: name,
    version: manifest?.version ?? null,
    bytes: bytes.length,
    sha256: sha256Of(bytes),
    verdict: reasons.length === 0 ? 'admitted' : 'refused',
    reasons,
    functions: module?.bodies.length ?? null,
    instructions: module === undefined ? null : instructions,
    features: module === undefined ? null : features,
    imports: module === undefined ? null : named(module.imports),
    exports: module === undefined ? null : named(module.exports),
    memory: memory ?? null,
    regions: manifest === undefined ? null : regionsOf(manifest),
  };
}

/** What it gives; nothing where it is refused. A config that it may need is for whoever runs it to give. */
function attempt<T>(make: () => T, against: (problem: string) => void): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    if (error.code !== 'FILTER_CONFIG') against(error.problem);
    return undefined;
  }
}

function importedMemory({ imports, memories }: WasmModule): Limits | undefined {
  const found = imports.find(({ kind }) => kind === 'memory');
  return found === undefined ? undefined : memories[found.index];
}

function namedOf(module: WasmModule, each: Import | Export): Named {
  const name = 'module' in each ? `${each.module}.${each.name}` : each.name;
  return { name: printable(name), kind: each.kind, type: typeText(module, each) };
}

function typeText(
  { types, functions, tables, memories, globals }: WasmModule,
  { kind, index }: Import | Export,
): string {
  // The reader has checked every index.
  const [type, table, memory, global] = [
    types[functions[index] ?? -1],
    tables[index],
    memories[index],
    globals[index],
  ];
  if (kind === 'function' && type) return functionTypeText(type);
  if (kind === 'table' && table) return tableTypeText(table);
  if (kind === 'memory' && memory) return `${limitsText(memory)} pages`;
  return global ? globalTypeText(global) : '';
}

/** The regions in the order of the memory, and what is left of its last page. */
function regionsOf({ memory, memoryBytes }: Manifest): Region[] {
  const regions: Region[] = [];
  let start = 0;
  for (const [region, bytes] of Object.entries(memory)) {
    regions.push({ region, start, bytes });
    start += bytes;
  }
  if (start < memoryBytes) regions.push({ region: 'unused', start, bytes: memoryBytes - start });
  return regions;
}

/** The same for people: the verdict with its reasons, then a table. */
export function inspectionText(found: Inspection): string {
  const title = `${found.module}${found.version === null ? '' : ` ${found.version}`}: ${found.verdict}`;
  const rows: [string, string][] = [
    ['size', `${grouped(found.bytes)} bytes`],
    ['sha256', found.sha256],
  ];
  if (found.functions !== null) {
    rows.push([
      'code',
      `${counted(found.functions, 'function')}, ${counted(found.instructions ?? 0, 'instruction')}`,
    ]);
    rows.push(['features', found.features?.join(', ') || 'none']);
    rows.push(...listRows('imports', found.imports ?? []), ...listRows('exports', found.exports ?? []));
  }
  rows.push(...regionRows(found.regions ?? []));
  const reasons = found.reasons.map(({ code, sentence }) => `  ${code.padEnd(10)}${sentence}`);
  return `${[title, ...reasons, ...rows.map(([left, right]) => `  ${left.padEnd(10)}${right}`)].join('\n')}\n`;
}

function listRows(title: string, list: readonly Named[]): [string, string][] {
  const lines = list.slice(0, SHOWN_MAX).map(({ name, kind, type }) => {
    const shown = name.length > NAME_CHARACTERS_MAX ? `${name.slice(0, NAME_CHARACTERS_MAX)}...` : name;
    return `${kind} ${shown} ${type}`;
  });
  if (list.length > SHOWN_MAX) lines.push(`and ${grouped(list.length - SHOWN_MAX)} more`);
  return titled(title, lines);
}

function regionRows(regions: readonly Region[]): [string, string][] {
  const total = regions.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total === 0) return [];
  const width = grouped(total).length;
  const lines = regions.map(({ region, start, bytes }) => {
    const from = `0x${start.toString(16).padStart(8, '0')}`;
    return `${from} ${region.padEnd(8)}${grouped(bytes).padStart(width)} bytes`;
  });
  return titled('memory', [`${counted(total, 'byte')} in ${counted(total / PAGE_BYTES, 'page')}`, ...lines]);
}

/** Only the first line has the title. */
function titled(title: string, lines: readonly string[]): [string, string][] {
  return (lines.length > 0 ? lines : ['none']).map((line, at) => [at === 0 ? title : '', line]);
}
