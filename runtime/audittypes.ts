/**
 * Types of audit records: their numbers and names (linux/audit.h; audit-userspace, lib/msg_typetab.h). The kernel's
 * log writes numbers, auditd writes names. What stands in neither column keeps the name it came with, and number 0.
 */
import { allocate } from './arena';
import { hashBytes, indexOfByte } from './bytes';
import { literal, Text } from './text';

/** End of a multi-record event. */
export const EOE: i32 = 1320;
/** The last record that the kernel writes for a system call. */
export const PROCTITLE: i32 = 1327;
export const EXECVE: i32 = 1309;
export const PATH: i32 = 1302;

/** Ranges of records that are an event by themselves: from programs and from auditd; 2000 and up, too. */
const USER_FROM: i32 = 1100;
const USER_TO: i32 = 1299;
const OTHERS_FROM: i32 = 2000;

/** Open addressing, at most half full: number (i32), 0, start and end of the name (u32 each). */
const SLOTS: usize = 256;
const SLOT_BYTES: usize = 16;
/** Digits of a number. */
const DIGITS_MAX: usize = 5;
const COMMA: u8 = 0x2c;

const UNKNOWN = literal('UNKNOWN[');
const part = new Text();

let byName: usize = 0;
let byNumber: usize = 0;

/** Fills the tables; a filter that reads no audit records has none. Call it while the filter starts. */
export function prepareTypes(): void {
  if (byName) return;
  byName = allocate(SLOTS * SLOT_BYTES);
  byNumber = allocate(SLOTS * SLOT_BYTES);
  enterAll(
    '1005 USER,1006 LOGIN,1100 USER_AUTH,1101 USER_ACCT,1102 USER_MGMT,1103 CRED_ACQ,1104 CRED_DISP,1105 USER_START',
  );
  enterAll(
    '1106 USER_END,1107 USER_AVC,1108 USER_CHAUTHTOK,1109 USER_ERR,1110 CRED_REFR,1111 USYS_CONFIG,1112 USER_LOGIN',
  );
  enterAll(
    '1113 USER_LOGOUT,1114 ADD_USER,1115 DEL_USER,1116 ADD_GROUP,1117 DEL_GROUP,1118 DAC_CHECK,1119 CHGRP_ID',
  );
  enterAll(
    '1120 TEST,1121 TRUSTED_APP,1122 USER_SELINUX_ERR,1123 USER_CMD,1124 USER_TTY,1125 CHUSER_ID,1126 GRP_AUTH',
  );
  enterAll(
    '1127 SYSTEM_BOOT,1128 SYSTEM_SHUTDOWN,1129 SYSTEM_RUNLEVEL,1130 SERVICE_START,1131 SERVICE_STOP,1132 GRP_MGMT',
  );
  enterAll(
    '1133 GRP_CHAUTHTOK,1134 MAC_CHECK,1135 ACCT_LOCK,1136 ACCT_UNLOCK,1137 USER_DEVICE,1138 SOFTWARE_UPDATE',
  );
  enterAll(
    '1200 DAEMON_START,1201 DAEMON_END,1202 DAEMON_ABORT,1203 DAEMON_CONFIG,1204 DAEMON_RECONFIG,1205 DAEMON_ROTATE',
  );
  enterAll(
    '1206 DAEMON_RESUME,1207 DAEMON_ACCEPT,1208 DAEMON_CLOSE,1209 DAEMON_ERR,1300 SYSCALL,1302 PATH,1303 IPC',
  );
  enterAll(
    '1304 SOCKETCALL,1305 CONFIG_CHANGE,1306 SOCKADDR,1307 CWD,1309 EXECVE,1311 IPC_SET_PERM,1312 MQ_OPEN',
  );
  enterAll(
    '1313 MQ_SENDRECV,1314 MQ_NOTIFY,1315 MQ_GETSETATTR,1316 KERNEL_OTHER,1317 FD_PAIR,1318 OBJ_PID,1319 TTY',
  );
  enterAll(
    '1320 EOE,1321 BPRM_FCAPS,1322 CAPSET,1323 MMAP,1324 NETFILTER_PKT,1325 NETFILTER_CFG,1326 SECCOMP',
  );
  enterAll(
    '1327 PROCTITLE,1328 FEATURE_CHANGE,1329 REPLACE,1330 KERN_MODULE,1331 FANOTIFY,1332 TIME_INJOFFSET',
  );
  enterAll(
    '1333 TIME_ADJNTPVAL,1334 BPF,1335 EVENT_LISTENER,1336 URINGOP,1337 OPENAT2,1400 AVC,1401 SELINUX_ERR',
  );
  enterAll('1402 AVC_PATH,1403 MAC_POLICY_LOAD,1404 MAC_STATUS,1405 MAC_CONFIG_CHANGE,1700 ANOM_PROMISCUOUS');
  enterAll(
    '1701 ANOM_ABEND,1702 ANOM_LINK,1800 INTEGRITY_DATA,1801 INTEGRITY_METADATA,1802 INTEGRITY_STATUS',
  );
  enterAll(
    '1805 INTEGRITY_RULE,2000 KERNEL,2100 ANOM_LOGIN_FAILURES,2101 ANOM_LOGIN_TIME,2102 ANOM_LOGIN_SESSIONS',
  );
  enterAll('2103 ANOM_LOGIN_ACCT,2104 ANOM_LOGIN_LOCATION,2111 ANOM_EXEC,2117 ANOM_ROOT_TRANS');
  enterAll('2300 USER_ROLE_CHANGE,2301 ROLE_ASSIGN,2302 ROLE_REMOVE,2311 ROLE_MODIFY,2400 CRYPTO_TEST_USER');
  enterAll(
    '2404 CRYPTO_KEY_USER,2407 CRYPTO_SESSION,2408 CRYPTO_IKE_SA,2409 CRYPTO_IPSEC_SA,2500 VIRT_CONTROL',
  );
}

function enterAll(types: string): void {
  const rest = literal(types);
  while (!rest.isEmpty()) {
    const number = <i32>rest.takeNumber(DIGITS_MAX);
    const name = new Text().set(rest.start + 1, indexOfByte(rest.start, rest.end, COMMA));
    enter(byName, hashOfName(name), number, name);
    enter(byNumber, number, number, name);
    rest.start = min(name.end + 1, rest.end);
  }
}

/** The number of the type that a record calls `SYSCALL`, `1300` or `UNKNOWN[1300]`; 0 when it has none. */
export function typeNumber(type: Text): i32 {
  const rest = part.set(type.start, type.end);
  const isUnknown = rest.take(UNKNOWN);
  const number = <i32>rest.takeNumber(DIGITS_MAX);
  if (number >= 0 && rest.length === usize(isUnknown)) return number;
  for (let slot = hashOfName(type); ; slot++) {
    const place = byName + (slot % SLOTS) * SLOT_BYTES;
    if (!load<u32>(place) || isNamed(place, type)) return load<i32>(place);
  }
  return 0;
}

/** Points `out` at the name of a type; false, and `out` as it was, when it is not known. */
export function typeName(number: i32, out: Text): bool {
  for (let slot = <usize>number; ; slot++) {
    const place = byNumber + (slot % SLOTS) * SLOT_BYTES;
    if (!load<u32>(place)) return false;
    if (load<i32>(place) !== number) continue;
    out.set(load<u32>(place, 8), load<u32>(place, 12));
    return true;
  }
  return false;
}

/** True for a record that is an event by itself. */
export function isWholeEvent(number: i32): bool {
  return (number >= USER_FROM && number <= USER_TO) || number >= OTHERS_FROM;
}

function enter(table: usize, hash: usize, number: i32, name: Text): void {
  let slot = hash;
  while (load<u32>(table + (slot % SLOTS) * SLOT_BYTES)) slot++;
  const place = table + (slot % SLOTS) * SLOT_BYTES;
  store<i32>(place, number);
  store<u32>(place, <u32>name.start, 8);
  store<u32>(place, <u32>name.end, 12);
}

function isNamed(place: usize, type: Text): bool {
  return part.set(load<u32>(place, 8), load<u32>(place, 12)).equals(type);
}

function hashOfName(name: Text): usize {
  return <usize>(hashBytes(name.start, name.length, 0) >> 40);
}
