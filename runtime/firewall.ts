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

const SMALL_F: u8 = 0x66;
const SMALL_S: u8 = 0x73;

export class Firewall {
  // Prepared with the reader, so that a filter without one carries none of them.
  private system: Text = literal('system');
  private vpn: Text = literal('vpn');
  private login: Text = literal('login');
  private logout: Text = literal('logout');
  private change: Text = literal('change');
  private nothing: Text = literal('');
  private sfosAdmin: Text = literal('Admin');
  private sfosAuthentication: Text = literal('Authentication');
  private sfosVpn: Text = literal('VPN');
  private sfosLoggedIn: Text = literal(' logged in');
  private sfosLoggedOut: Text = literal(' logged out');
  private sfosFailed: Text = literal(' failed to log');
  private fail: Text = literal('fail');

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
  /** How the user came: `https(192.0.2.7)`, `SSL this.vpn`. */
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
    if (this.subtype.text().equals(this.system)) {
      if (this.object.isPresent) return this.change;
      const action = this.action.text();
      return action.equals(this.login) ? this.login : action.equals(this.logout) ? this.logout : this.nothing;
    }
    if (!this.subtype.text().equals(this.sfosAdmin)) return this.nothing;
    if (this.isRefused() || this.message.text().contains(this.sfosLoggedIn)) return this.login;
    return this.message.text().contains(this.sfosLoggedOut) ? this.logout : this.change;
  }

  /** Somebody came in by this.vpn, went, or was refused. */
  isVpn(): bool {
    const subtype = this.subtype.text();
    if (subtype.equals(this.vpn)) return true;
    return subtype.equals(this.sfosAuthentication) && this.component.text().contains(this.sfosVpn);
  }

  isFailure(): bool {
    return (
      (this.status.text().at(0) | 0x20) === SMALL_F ||
      this.action.text().contains(this.fail) ||
      this.isRefused()
    );
  }

  isSuccess(): bool {
    if (this.isFailure()) return false;
    return (this.status.text().at(0) | 0x20) === SMALL_S || this.message.text().contains(this.sfosLoggedIn);
  }

  /** Event time; where the line has none, the time received. */
  time(): i64 {
    let time = this.instant.isPresent ? parseTime(this.instant.text()) : NO_TIME;
    if (time === NO_TIME && this.date.isPresent && this.clock.isPresent)
      time = parseDateAndClock(this.date.text(), this.clock.text(), this.offset.text());
    return time === NO_TIME ? receivedAt() : time;
  }

  private isRefused(): bool {
    return this.message.text().contains(this.sfosFailed);
  }
}
