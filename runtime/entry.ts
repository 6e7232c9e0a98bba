/**
 * What a filter exports: the second entry file of every compilation, after the filter's own. The order matters:
 * `weir_start` runs the filter's top level first, and this file's last lines then end the init phase.
 */
import { ABI_VERSION } from './abi';
import { becomeStatic } from './arena';
import { refuseUnread } from './config';
import { endStart, runBatch, runTick } from './lines';

export { due as weir_due, leftOut as weir_left_out } from './turn';

export function weir_abi(): i32 {
  return ABI_VERSION;
}

export function weir_heap_base(): usize {
  return __heap_base;
}

export function weir_batch(start: i32, bytes: i32, nowMs: i64, flags: i32): i32 {
  return runBatch(start, bytes, nowMs, flags);
}

export function weir_tick(nowMs: i64, flags: i32): i32 {
  return runTick(nowMs, flags);
}

refuseUnread();
endStart();
becomeStatic();
