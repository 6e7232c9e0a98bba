/**
 * What a firewall says of its own administration, in key=value lines of FortiOS and of Sophos SFOS (both in the forms
 * before and since version 18).
 *
 *     date=2026-01-31 time=10:00:09 devname="fg-01" type="event" subtype="system" user="admin" action="login" ...
 *     device_name="SFW" timestamp="2026-01-31T10:01:00+0100" log_type="Event" log_component="GUI" log_subtype="Admin" ...
 *
 * The first value under a key counts, so what a client sent cannot take the place of what the firewall knows. A
 * user's name is in the messages of SFOS, too: of a message that speaks of success and of failure, the failure is
 * believed.
 */
import { KeyValue } from './keyvalue';
import { literal, Text } from './text';
import { NO_TIME, parseDateAndClock, parseTime, receivedAt } from './time';
import { Value } from './value';

const SYSTEM = literal('system');
const VPN = literal('vpn');
const LOGIN = literal('login');
const LOGOUT = literal('logout');
const CHANGE = literal('change');
const NOTHING = literal('');
const SFOS_ADMIN = literal('Admin');
const SFOS_AUTHENTICATION = literal('Authentication');
const SFOS_VPN = literal('VPN');
const SFOS_LOGGED_IN = literal(' logged in');
const SFOS_LOGGED_OUT = literal(' logged out');
const SFOS_FAILED = literal(' failed to log');
const FAIL = literal('fail');
const SMALL_F: u8 = 0x66;
const SMALL_S: u8 = 0x73;

export class Firewall {
  private pairs: KeyValue = new KeyValue();
  private instant: Value = this.pairs.fieldOf(['eventtime', 'timestamp']);
  private date: Value = this.pairs.fieldOf(['date']);
  private clock: Value = this.pairs.fieldOf(['time']);
  private offset: Value = this.pairs.fieldOf(['tz']);
  private component: Value = this.pairs.fieldOf(['log_component']);
  private status: Value = this.pairs.fieldOf(['status']);
  type: Value = this.pairs.fieldOf(['type', 'log_type']);
  subtype: Value = this.pairs.fieldOf(['subtype', 'log_subtype']);
  device: Value = this.pairs.fieldOf(['devname', 'device_name']);
  user: Value = this.pairs.fieldOf(['user', 'user_name']);
  source: Value = this.pairs.fieldOf(['remip', 'srcip', 'src_ip']);
  /** How the user came: `https(192.0.2.7)`, `SSL VPN`. */
  way: Value = this.pairs.fieldOf(['ui', 'auth_client']);
  action: Value = this.pairs.fieldOf(['action']);
  /** Path of the setting that was changed. */
  object: Value = this.pairs.fieldOf(['cfgpath']);
  message: Value = this.pairs.fieldOf(['msg', 'message']);

  /** False when the line is none of a firewall's: it has no type. */
  parse(line: Text): bool {
    return this.pairs.parse(line) && this.type.isPresent;
  }

  /** What an administrator did: `login` (also one that failed), `logout` or `change`; empty when nothing. */
  adminKind(): Text {
    if (this.subtype.text().equals(SYSTEM)) {
      if (this.object.isPresent) return CHANGE;
      const action = this.action.text();
      return action.equals(LOGIN) ? LOGIN : action.equals(LOGOUT) ? LOGOUT : NOTHING;
    }
    if (!this.subtype.text().equals(SFOS_ADMIN)) return NOTHING;
    if (this.isRefused() || this.message.text().contains(SFOS_LOGGED_IN)) return LOGIN;
    return this.message.text().contains(SFOS_LOGGED_OUT) ? LOGOUT : CHANGE;
  }

  /** Somebody came in by VPN, went, or was refused. */
  isVpn(): bool {
    const subtype = this.subtype.text();
    if (subtype.equals(VPN)) return true;
    return subtype.equals(SFOS_AUTHENTICATION) && this.component.text().contains(SFOS_VPN);
  }

  isFailure(): bool {
    return (
      (this.status.text().at(0) | 0x20) === SMALL_F || this.action.text().contains(FAIL) || this.isRefused()
    );
  }

  isSuccess(): bool {
    if (this.isFailure()) return false;
    return (this.status.text().at(0) | 0x20) === SMALL_S || this.message.text().contains(SFOS_LOGGED_IN);
  }

  /** Event time; where the line has none, the time received. */
  time(): i64 {
    let time = this.instant.isPresent ? parseTime(this.instant.text()) : NO_TIME;
    if (time === NO_TIME && this.date.isPresent && this.clock.isPresent)
      time = parseDateAndClock(this.date.text(), this.clock.text(), this.offset.text());
    return time === NO_TIME ? receivedAt() : time;
  }

  private isRefused(): bool {
    return this.message.text().contains(SFOS_FAILED);
  }
}
