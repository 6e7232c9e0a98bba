/**
 * Numbers in messages of the start.
 */
/** The language's own `toString` brings tables of 1.5 KiB for radixes that nobody asks for. */
export function decimal(value: i32): string {
  const last = String.fromCharCode(0x30 + (value % 10));
  return value < 10 ? last : decimal(value / 10) + last;
}
