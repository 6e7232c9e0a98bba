/**
 * What a source tells a person, one line at a time.
 *
 * A line names its source and holds no control or formatting characters, whatever a child or a peer sent: what
 * is shown on a terminal must not steer it. Things that others can cause as often as they like are told at most
 * once in `NOTICE_INTERVAL_MS`, and those left out are counted in the next one.
 */
import { NOTICE_INTERVAL_MS } from '../limits.js';

export interface Notices {
  /** Calls `tell` with each line. One listener; without one nothing is told. */
  onNotice(tell: (line: string) => void): void;
  say(text: string): void;
  /** A voice of its own for one kind of thing that may come thick and fast. */
  limited(): (text: string) => void;
}

export function createNotices(source: string): Notices {
  let tell = (_line: string): void => {};

  function say(text: string): void {
    // Control, format (which turn the direction of text), and the two line separators of Unicode.
    tell(`source ${source}: ${text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')}`);
  }

  return {
    onNotice(listener) {
      tell = listener;
    },
    say,
    limited() {
      let quietUntilMs = 0;
      let leftOut = 0;
      return (text) => {
        const nowMs = performance.now();
        if (nowMs < quietUntilMs) {
          leftOut += 1;
          return;
        }
        say(leftOut === 0 ? text : `${text} (${leftOut} more before this one)`);
        quietUntilMs = nowMs + NOTICE_INTERVAL_MS;
        leftOut = 0;
      };
    },
  };
}
