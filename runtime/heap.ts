/**
 * What the AssemblyScript compiler asks of a runtime (`--runtime`), on the arena: objects are allocated while
 * the filter starts and live as long as it does. Nothing is counted, collected or freed.
 */
import { allocate } from './arena';

/** Before an object: padding, and the compiler's own header (two words of it for collectors, class id, size). */
const HEADER_BYTES: usize = 32;

// @ts-ignore: decorator
@global function __alloc(bytes: usize): usize {
  return allocate(bytes);
}

// @ts-ignore: decorator
@global function __new(bytes: usize, id: u32): usize {
  const object = allocate(HEADER_BYTES + bytes) + HEADER_BYTES;
  store<u32>(object - 8, id);
  store<u32>(object - 4, <u32>bytes);
  return object;
}

// @ts-ignore: decorator
@global function __renew(object: usize, bytes: usize): usize {
  const moved = __new(bytes, load<u32>(object - 8));
  memory.copy(moved, object, min<usize>(bytes, load<u32>(object - 4)));
  return moved;
}

// @ts-ignore: decorator
@global function __link(parent: usize, child: usize, expectMultiple: bool): void {}

// @ts-ignore: decorator
@global function __pin(object: usize): usize {
  return object;
}

// @ts-ignore: decorator
@global function __unpin(object: usize): void {}

// @ts-ignore: decorator
@global function __collect(): void {}

// @ts-ignore: decorator
@global function __visit(object: usize, cookie: u32): void {}
