/**
 * How numbers go on behind everything that can have happened to the broker, the disk, or both.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PAST_EPOCHS_MAX } from '../host/limits.js';
import {
  agree,
  hasAcknowledged,
  isCurrent,
  type Numbering,
  newEpoch,
  numberingFor,
  storedTo,
} from '../host/numbering.js';

const numbering: Numbering = {
  epoch: 'e',
  base: 10,
  stored: 15,
  sequence: 900,
  why: 'started',
  lost: 0,
  past: [],
};
const last = (number: number, epoch = 'e') => ({ epoch, number, sequence: 950 });

test('the broker has what was acknowledged, or more of what there is: the next one is the next', () => {
  for (const number of [5, 6, 7]) {
    const found = agree(numbering, last(number), true, 17);
    assert.equal(found, { numbering: { ...numbering, stored: 10 + number, sequence: 950 }, rewinds: false });
  }
});

test('the broker has more than there ever was here: an old disk came back, and another epoch begins', () => {
  const found = agree(numbering, last(8), true, 17);
  assert.is(found.numbering.why, 'restored');
  assert.not.equal(found.numbering.epoch, 'e');
  assert.equal([found.numbering.base, found.numbering.stored, found.numbering.sequence], [15, 15, 950]);
  assert.is(
    agree(numbering, last(8), true, 12).numbering.stored,
    12,
    'one of before what is noted as stored',
  );
});

test('the broker has less than it acknowledged, or nothing: what is still here goes again under the same numbers', () => {
  const some = agree(numbering, last(3), true, 17);
  assert.equal(some, {
    numbering: { ...numbering, stored: 13, sequence: 950, why: 'store-lost', missing: 'store-lost' },
    rewinds: true,
  });
  assert.equal(numberingFor(some.numbering, 14), some.numbering);
  const gone = numberingFor(some.numbering, 16);
  assert.equal([gone.base, gone.lost, gone.why], [15, 2, 'store-lost']);
  const whole = storedTo(some.numbering, 14, 951);
  assert.is(numberingFor(whole, 16).why, 'spool-damaged', 'what is missing behind them the broker never had');
});

test('what the broker has lost of earlier epochs goes again, too, in another one', () => {
  const none = agree(numbering, undefined, false, 17);
  const { base, stored, sequence, why } = none.numbering;
  assert.equal([base, stored, sequence, why, none.rewinds], [0, 0, 0, 'store-lost', true]);
  assert.not.equal(none.numbering.epoch, 'e');
  assert.equal(none.numbering.past, [{ epoch: 'e', base: 10, end: 0 }]);
  const behind = numberingFor(none.numbering, 3);
  assert.equal([behind.base, behind.lost, behind.why], [2, 2, 'store-lost']);
});

/** Message 16 was damaged, and an epoch begun behind it. */
const second = { ...numberingFor(numbering, 17), sequence: 960 };

test('the last message of an epoch before tells how much of it the broker still has', () => {
  assert.equal(second.past, [{ epoch: 'e', base: 10, end: 15 }]);
  const used = storedTo(second, 19, 962);
  for (const [number, own] of [
    [3, 13],
    [5, 15],
    [9, 15],
  ] as const) {
    const found = agree(used, { epoch: 'e', number, sequence: 949 }, false, 20);
    assert.equal([found.numbering.base, found.numbering.stored, found.rewinds], [own, own, true]);
  }
  // Behind what is known here somebody else goes on with it: an image of this disk.
  const other = agree(used, { epoch: 'e', number: 9, sequence: 963 }, false, 20);
  assert.equal([other.numbering.why, other.numbering.stored, other.rewinds], ['other-writer', 19, false]);
});

test('an epoch of which nothing is out stands behind what there was before it', () => {
  assert.ok(hasAcknowledged(second, { epoch: 'e', number: 5, sequence: 960 }));
  assert.not(hasAcknowledged(second, { epoch: 'e', number: 4, sequence: 959 }));
  assert.not(hasAcknowledged(second, undefined));
  const none = agree(second, undefined, false, 17);
  assert.equal([none.numbering.stored, none.rewinds], [0, true]);
  assert.equal(agree(second, undefined, true, 17).rewinds, false, 'they went with their time');
  // Of what was restored only the broker knows what there was; what it ends with then is remembered.
  const restored = agree(newEpoch(7, 0, 'restored'), last(9, 'x'), false, 20).numbering;
  assert.equal(restored.past, [{ epoch: 'x', base: 7, end: 7 }]);
  assert.is(agree(restored, undefined, false, 20).numbering.stored, 0);
  const used = storedTo(restored, 9, 952);
  assert.is(agree(used, last(9, 'x'), false, 20).numbering.stored, 7);
});

test('what is known of epochs before has a limit', () => {
  let found: Numbering = numbering;
  for (let at = 0; at < 50; at++)
    found = storedTo(numberingFor(found, found.stored + 2), found.stored + 2, 1);
  assert.is(found.past.length, PAST_EPOCHS_MAX);
  assert.is(agree(found, last(1, 'e'), false, 1_000).numbering.why, 'other-writer');
  assert.is(agree({ ...found, sequence: 951 }, last(1, 'e'), false, 1_000).numbering.stored, 0);
});

test('a subject whose messages were let go after their time goes on with its numbers', () => {
  const found = agree(numbering, undefined, true, 17);
  assert.equal(found, { numbering: { ...numbering, sequence: 0 }, rewinds: false });
});

test('somebody else wrote there: another epoch, unless nothing was written here yet', () => {
  assert.is(agree(numbering, last(3, 'f'), true, 17).numbering.why, 'other-writer');
  const fresh = newEpoch(0, 0, 'started');
  const past = [{ epoch: 'f', base: 0, end: 0 }];
  assert.equal(agree(fresh, last(3, 'f'), true, 0).numbering, { ...fresh, sequence: 950, past });
});

test('less than was acknowledged is believed of who is not behind, or where the subject ends for sure', () => {
  const at = (number: number, sequence: number, epoch = 'e') => ({ epoch, number, sequence });
  // In whatever place: after a fault of the broker's, replicas may differ in that.
  for (const number of [5, 6]) assert.ok(hasAcknowledged(numbering, at(number, 898)));
  for (const found of [at(4, 899), at(9, 901, 'f'), undefined]) assert.not(hasAcknowledged(numbering, found));
  assert.ok(hasAcknowledged(newEpoch(0, 900, 'started'), undefined), 'nothing was yet');

  for (const sequence of [900, 901]) assert.ok(isCurrent(numbering, at(4, sequence)));
  for (const end of [undefined, 898, 900]) {
    assert.not(isCurrent(numbering, at(4, 899), end));
    assert.not(isCurrent(numbering, undefined, end));
  }
  assert.ok(isCurrent(numbering, at(4, 899), 899));
  assert.ok(isCurrent(numbering, undefined, 0));
});

test('a message that is missing here begins another epoch that counts it', () => {
  const behind = numberingFor(numbering, 18);
  assert.equal([behind.base, behind.stored, behind.lost, behind.why], [17, 17, 2, 'spool-damaged']);
  assert.equal(numberingFor(numbering, 16), numbering);
});

test.run();
