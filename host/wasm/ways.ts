/**
 * The ways that control may take through a function, as far as costs go.
 *
 * What pays is a function when it is called, a loop at each turn, and an arm of an `if` when control comes to it: for the
 * dearest way through what stands in it, without what pays for itself inside. That are loops, and arms that cost much; an arm that
 * costs little is paid for by what it stands in, whether control comes to it or not.
 *
 * Blocks are left forward only, so one walk over the instructions finds all of it: to the end of a block leads the dearest
 * of what comes from above and of what branches there. What no way leads to costs nothing.
 */

/** An amount that is charged when control comes to a place. */
export interface Charge {
  readonly at: number;
  cost: number;
  /** Stop there when the fuel is used up: where functions begin, and turns of loops. */
  readonly looks: boolean;
}

export interface Ways {
  /** Where what pays here begins. */
  payingSince(): number;
  /** Instructions that every way from here on passes. */
  pass(cost: number): void;
  // Control instructions, some with the place behind them.
  block(): void;
  loop(behind: number): void;
  if(behind: number): void;
  else(behind: number): void;
  end(): void;
  branch(label: number): void;
  /** Control never comes here. */
  stop(): void;
}

/** An open block. */
interface Block {
  readonly isLoop: boolean;
  /** Cost of the way to the arm of an `if` that has not begun. */
  otherArm: number;
  /** Cost of the dearest branch to its end. */
  end: number;
}

/** A function, a loop, or an arm, which is the one that does not look. */
interface Payer {
  readonly charge: Charge;
  /** Open blocks, its own counted. */
  readonly depth: number;
  readonly around: Payer | undefined;
  /** Cost of the way to its beginning, for what it stands in. */
  readonly before: number;
}

const NO_WAY = Number.NEGATIVE_INFINITY;

/** Begins with a function; adds what pays for itself to `charges`, the function first. Arms do that from `armMin` on. */
export function createWays(start: number, charges: Charge[], armMin: number): Ways {
  const open: Block[] = [{ isLoop: false, otherArm: NO_WAY, end: NO_WAY }];
  let payer: Payer = {
    charge: { at: start, cost: 0, looks: true },
    depth: open.length,
    around: undefined,
    before: 0,
  };
  charges.push(payer.charge);
  /** Of the dearest way from where the payer begins to here. */
  let cost = 0;

  function beginPayer(at: number, looks: boolean): void {
    payer = { charge: { at, cost: 0, looks }, depth: open.length, around: payer, before: cost };
    if (looks) charges.push(payer.charge);
    if (cost !== NO_WAY) cost = 0;
  }

  function endPayer(around: Payer): void {
    const { charge, before } = payer;
    if (!charge.looks) {
      if (charge.cost >= armMin) charges.push(charge);
      else around.charge.cost = Math.max(around.charge.cost, before + charge.cost);
    }
    cost = costOutside(payer, cost);
    payer = around;
  }

  /** Of a way that leaves a payer, for what that stands in; too much where an arm turns out later to pay for itself. */
  function costOutside({ charge, before }: Payer, inside: number): number {
    if (inside === NO_WAY) return NO_WAY;
    return charge.looks || charge.cost >= armMin ? before : before + inside;
  }

  function endArm(): void {
    if (!payer.charge.looks && payer.depth === open.length && payer.around) endPayer(payer.around);
  }

  return {
    payingSince: () => payer.charge.at,
    pass(more) {
      cost += more;
      payer.charge.cost = Math.max(payer.charge.cost, cost);
    },
    block() {
      open.push({ isLoop: false, otherArm: NO_WAY, end: NO_WAY });
    },
    loop(behind) {
      open.push({ isLoop: true, otherArm: NO_WAY, end: NO_WAY });
      beginPayer(behind, true);
    },
    if(behind) {
      open.push({ isLoop: false, otherArm: cost, end: NO_WAY });
      beginPayer(behind, false);
    },
    else(behind) {
      endArm();
      const block = open[open.length - 1] as Block;
      block.end = Math.max(block.end, cost);
      cost = block.otherArm;
      block.otherArm = NO_WAY;
      beginPayer(behind, false);
    },
    end() {
      endArm();
      const { isLoop, otherArm, end } = open[open.length - 1] as Block;
      if (isLoop && payer.around) endPayer(payer.around);
      else cost = Math.max(cost, otherArm, end);
      open.pop();
    },
    branch(label) {
      const depth = open.length - label;
      const block = open[depth - 1] as Block;
      // The next turn of a loop pays for itself.
      if (block.isLoop) return;
      let there = cost;
      for (let inner = payer; inner.around && inner.depth >= depth; inner = inner.around)
        there = costOutside(inner, there);
      block.end = Math.max(block.end, there);
    },
    stop() {
      cost = NO_WAY;
    },
  };
}
