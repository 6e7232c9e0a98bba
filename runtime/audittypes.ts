/**
 * Types of audit records: their numbers and names (linux/audit.h; audit-userspace, lib/msg_typetab.h). The kernel's
 * log writes numbers, auditd writes names. What stands in neither column keeps the name it came with, and number 0.
 */
import { allocate } from './arena';
import { equalBytes, Hash } from './bytes';
import { literal, Text } from './text';
import { digits } from './time';

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
/** `UNKNOWN[`, which stands before a number and its `]`. */
const UNKNOWN: u64 = 0x5b4e574f4e4b4e55;
const UNKNOWN_BYTES: usize = 8;

let byName: usize = 0;
let byNumber: usize = 0;

/** Fills the tables; a filter that reads no audit records has none. Call it while the filter starts. */
export function prepareTypes(): void {
  if (byName) return;
  byName = allocate(SLOTS * SLOT_BYTES);
  byNumber = allocate(SLOTS * SLOT_BYTES);
  // A number is that of the name behind it; each other name has the number after that of the name before it.
  const rest = literal(`1005 USER LOGIN
1100 USER_AUTH USER_ACCT USER_MGMT CRED_ACQ CRED_DISP USER_START USER_END USER_AVC USER_CHAUTHTOK USER_ERR
CRED_REFR USYS_CONFIG USER_LOGIN USER_LOGOUT ADD_USER DEL_USER ADD_GROUP DEL_GROUP DAC_CHECK CHGRP_ID TEST
TRUSTED_APP USER_SELINUX_ERR USER_CMD USER_TTY CHUSER_ID GRP_AUTH SYSTEM_BOOT SYSTEM_SHUTDOWN SYSTEM_RUNLEVEL
SERVICE_START SERVICE_STOP GRP_MGMT GRP_CHAUTHTOK MAC_CHECK ACCT_LOCK ACCT_UNLOCK USER_DEVICE SOFTWARE_UPDATE
1200 DAEMON_START DAEMON_END DAEMON_ABORT DAEMON_CONFIG DAEMON_RECONFIG DAEMON_ROTATE DAEMON_RESUME
DAEMON_ACCEPT DAEMON_CLOSE DAEMON_ERR
1300 SYSCALL 1302 PATH IPC SOCKETCALL CONFIG_CHANGE SOCKADDR CWD 1309 EXECVE 1311 IPC_SET_PERM MQ_OPEN
MQ_SENDRECV MQ_NOTIFY MQ_GETSETATTR KERNEL_OTHER FD_PAIR OBJ_PID TTY EOE BPRM_FCAPS CAPSET MMAP NETFILTER_PKT
NETFILTER_CFG SECCOMP PROCTITLE FEATURE_CHANGE REPLACE KERN_MODULE FANOTIFY TIME_INJOFFSET TIME_ADJNTPVAL BPF
EVENT_LISTENER URINGOP OPENAT2
1400 AVC SELINUX_ERR AVC_PATH MAC_POLICY_LOAD MAC_STATUS MAC_CONFIG_CHANGE
1700 ANOM_PROMISCUOUS ANOM_ABEND ANOM_LINK
1800 INTEGRITY_DATA INTEGRITY_METADATA INTEGRITY_STATUS 1805 INTEGRITY_RULE
2000 KERNEL 2100 ANOM_LOGIN_FAILURES ANOM_LOGIN_TIME ANOM_LOGIN_SESSIONS ANOM_LOGIN_ACCT ANOM_LOGIN_LOCATION
2111 ANOM_EXEC 2117 ANOM_ROOT_TRANS 2300 USER_ROLE_CHANGE ROLE_ASSIGN ROLE_REMOVE 2311 ROLE_MODIFY
2400 CRYPTO_TEST_USER 2404 CRYPTO_KEY_USER 2407 CRYPTO_SESSION CRYPTO_IKE_SA CRYPTO_IPSEC_SA 2500 VIRT_CONTROL`);
  let number = 0;
  while (!rest.isEmpty()) {
    const told = <i32>rest.takeNumber(DIGITS_MAX);
    if (told >= 0) number = told;
    else {
      const start = rest.start;
      rest.takeWord();
      enter(byName, hashOfName(start, rest.start), number, start, rest.start);
      enter(byNumber, number, number, start, rest.start);
      number++;
    }
    rest.skip(1);
  }
}

/** The number of the type that a record calls `SYSCALL`, `1300` or `UNKNOWN[1300]`; 0 when it has none. */
export function typeNumber(type: Text): i32 {
  const isUnknown = type.length > UNKNOWN_BYTES && load<u64>(type.start) === UNKNOWN;
  const start = isUnknown ? type.start + UNKNOWN_BYTES : type.start;
  const count = type.end - start - usize(isUnknown);
  const number = count && count <= DIGITS_MAX ? digits(start, count) : -1;
  if (number >= 0) return number;
  for (let slot = hashOfName(type.start, type.end); ; slot++) {
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

function enter(table: usize, hash: usize, number: i32, start: usize, end: usize): void {
  let slot = hash;
  while (load<u32>(table + (slot % SLOTS) * SLOT_BYTES)) slot++;
  const place = table + (slot % SLOTS) * SLOT_BYTES;
  store<i32>(place, number);
  store<u32>(place, <u32>start, 8);
  store<u32>(place, <u32>end, 12);
}

function isNamed(place: usize, type: Text): bool {
  const start = load<u32>(place, 8);
  return load<u32>(place, 12) - start === type.length && equalBytes(start, type.start, type.length);
}

function hashOfName(start: usize, end: usize): usize {
  return <usize>(Hash.of(start, end - start, 0) >> 40);
}
