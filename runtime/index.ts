/**
 * The guest library: what filters import from 'weir/runtime'.
 */
export { Address, isAddress } from './address';
export { Audit, NO_SERIAL } from './audit';
export { Arguments } from './auditargs';
export { AuditEvents } from './auditevent';
export { Cef } from './cef';
export { CidrSet } from './cidr';
export { Config, config } from './config';
export { COMMA, Csv, SEMICOLON, TAB } from './csv';
export { Key, key, keyOf, Stream } from './emit';
export { EventTime } from './eventtime';
export { FieldList, fieldsFrom, fieldsNamed, redactFields } from './fieldlist';
export { Firewall } from './firewall';
export { Glob } from './glob';
export { Json } from './json';
export { putField, putJson } from './jsonemit';
export { Field, MISSING, NUMBER, STRING } from './jsonvalue';
export { KeyValue } from './keyvalue';
export { malformed } from './ledger';
export { events, select, selectText } from './lines';
export { NO_NUMBER, parseDecimal, parseHex } from './number';
export { Patterns } from './patterns';
export { masked, Redactor } from './redact';
export { Shape } from './shape';
export { SshLogin } from './sshlogin';
export { Syslog } from './syslog';
export { Table } from './table';
export { literal, Text } from './text';
export { NO_TIME, parseDateAndClock, parseTime, receivedAt } from './time';
export { Value } from './value';
export { Where } from './where';
export { Windows } from './window';
