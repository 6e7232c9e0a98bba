/**
 * The guest library: what filters import from 'weir/runtime'.
 */
export { isAddress } from './address';
export { config, Config } from './config';
export { key, Key, keyOf, Stream } from './emit';
export { EventTime } from './eventtime';
export { FieldList, fieldsFrom, fieldsNamed, redactFields } from './fieldlist';
export { Firewall } from './firewall';
export { Json } from './json';
export { putField, putJson } from './jsonemit';
export { Field, MISSING, NUMBER, STRING } from './jsonvalue';
export { KeyValue } from './keyvalue';
export { malformed } from './ledger';
export { events, select, selectText } from './lines';
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
