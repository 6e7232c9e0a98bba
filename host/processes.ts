/**
 * Which process something belongs to: its number, and the time at which it began, because numbers are given again.
 */
import { readFileSync } from 'node:fs';

/** This process, in a form for `isRunning`. */
export function thisProcess(): string {
  return `${process.pid} ${startTime(process.pid)}\n`;
}

/** The process of such a text runs; never where it is no such text. */
export function isRunning(text: string): boolean {
  const [pid = '', since] = text.split(/\s/);
  return since !== undefined && startTime(Number(pid)) === since;
}

/**
 * proc(5): the 20th field after the name, which is in parentheses; the first is the state. `none` for a process that is
 * not there, or has ended and nobody has asked how (Z, X): under an init that does not ask it stays like that.
 */
function startTime(pid: number): string {
  const fields = textOf(`/proc/${pid}/stat`).replace(/^.*\)/s, '').trim().split(' ');
  return /^[ZX]/.test(fields[0] ?? '') ? 'none' : (fields[19] ?? 'none');
}

/** What is in a file; nothing where it cannot be read. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
