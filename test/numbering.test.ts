/**
 * How numbers go on behind everything that can have happened to the broker, the disk, or both.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  agree,
  hasAcknowledged,
  isCurrent,
  type Numbering,
  newEpoch,
  numberingFor,
} from '../host/numbering.js';

const numbering: Numbering = { epoch: 'e', base: 10, stored: 15, sequence: 900, why: 'started', lost: 0 };
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
});

test('the broker has less than it acknowledged, or nothing: what is still here goes again under the same numbers', () => {
  const some = agree(numbering, last(3), true, 17);
  assert.equal(some, {
    numbering: { ...numbering, stored: 13, sequence: 950, why: 'store-lost' },
    rewinds: true,
  });
  assert.equal(numberingFor(some.numbering, 14), some.numbering);
  const none = agree(numbering, undefined, false, 17);
  assert.equal(none, {
    numbering: { ...numbering, stored: 10, sequence: 0, why: 'store-lost' },
    rewinds: true,
  });
  const behind = numberingFor(none.numbering, 13);
  assert.equal([behind.base, behind.lost, behind.why], [12, 2, 'store-lost']);
});

test('a subject whose messages were let go after their time goes on with its numbers', () => {
  const found = agree(numbering, undefined, true, 17);
  assert.equal(found, { numbering: { ...numbering, sequence: 0 }, rewinds: false });
});

test('somebody else wrote there: another epoch, unless nothing was written here yet', () => {
  assert.is(agree(numbering, last(3, 'f'), true, 17).numbering.why, 'other-writer');
  const fresh = newEpoch(0, 0, 'started');
  assert.equal(agree(fresh, last(3, 'f'), true, 0).numbering, { ...fresh, sequence: 950 });
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
