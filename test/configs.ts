/**
 * What tests of the config share: a machine that is always the same, a config that is right, and what is said of one
 * that is wrong.
 */
import * as assert from 'uvu/assert';
import { type Config, type MachineFacts, parseConfig } from '../host/config.js';
import { type ErrorCode, WeirError } from '../host/errors.js';

export const FACTS: MachineFacts = {
  hostname: 'fw.example.com',
  uid: 1000,
  env: {},
  home: '/home/weir',
  timezone: 'Europe/Berlin',
  canRead: () => false,
};

export const SOURCES = { auth: { file: '/var/log/auth.log' } };
export const FILTERS = { 'ssh-auth': { from: ['auth'] } };

/** A config that is right but for `part`. */
export function parse(part: object, where = 'weir.json'): Config {
  return parseConfig({ sources: SOURCES, filters: FILTERS, ...part }, where, FACTS);
}

/** What an action is refused with, without the remedy. */
export function refusalOf(action: () => unknown, code: ErrorCode = 'CONFIG_INVALID'): string {
  try {
    action();
  } catch (error) {
    assert.instance(error, WeirError);
    assert.is((error as WeirError).code, code);
    assert.not.match((error as WeirError).message, /[\p{Cc}\p{Zl}\p{Zp}]/u);
    return (error as WeirError).problem;
  }
  throw new Error('expected it to be refused, found it accepted');
}

/** The line for a config that is wrong in `part`, without the file's name. */
export function problem(part: object): string {
  return refusalOf(() => parse(part)).replace(/^weir\.json: /, '');
}
