/**
 * An inbox against a simple model of it: whatever is appended, read, saved, killed and opened anew in whatever order.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turnEnd } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createInbox, type Inbox, type InboxOptions } from '../../host/source/inbox.js';
import { createNotices } from '../../host/source/notices.js';
import type { Cursor, Position } from '../../host/source/source.js';
import { temporaryFolder } from '../help.js';
import { createRandom, readText } from './reading.js';

type Random = (below: number) => number;

/** All lines that have come, the first one that is held, and events that were cut. */
interface Held {
  readonly lines: number;
  readonly oldest: number;
  readonly cut: number;
}

/** The number of a cursor's line, the place in it, and what it has counted. */
interface Place {
  readonly line: number;
  readonly offset: number;
  readonly lost: number;
  readonly cut: number;
}

interface Reader {
  cursor: Cursor;
  place: Place;
  /** What a host would have on its disk. */
  saved: { readonly position: Position; readonly place: Place; readonly ringCut: number } | undefined;
}

/** The inbox as a list of lines, of which the first `flushed.lines` are in the file. */
class Model {
  readonly lines: string[] = [];
  oldest = 0;
  cut = 0;
  flushed: Held = { lines: 0, oldest: 0, cut: 0 };
  readonly readers: Reader[] = [];

  constructor(readonly capacityBytes: number) {}

  append(line: string, isCut: boolean): void {
    this.lines.push(line);
    if (isCut) {
      this.cut += 1;
      for (const reader of this.readers) reader.place = { ...reader.place, cut: reader.place.cut + 1 };
    }
    const held = () => this.lines.slice(this.oldest).reduce((sum, { length }) => sum + length, 0);
    while (held() > this.capacityBytes) this.drop();
  }

  drop(): void {
    for (const reader of this.readers) {
      const { line, offset, lost, cut } = reader.place;
      if (line !== this.oldest) continue;
      reader.place = { line: line + 1, offset: 0, lost: lost + (offset === 0 ? 1 : 0), cut };
    }
    this.oldest += 1;
  }

  flush(): void {
    this.flushed = { lines: this.lines.length, oldest: this.oldest, cut: this.cut };
  }

  unread({ place }: Reader): string {
    return this.lines.slice(place.line).join('').slice(place.offset);
  }

  move(reader: Reader, bytes: number): void {
    let { line, offset } = reader.place;
    offset += bytes;
    for (; line < this.lines.length && offset >= this.lengthOf(line); line += 1)
      offset -= this.lengthOf(line);
    reader.place = { ...reader.place, line, offset };
  }

  lengthOf(line: number): number {
    return (this.lines[line] as string).length;
  }

  /** What the next process finds: what is in the file, and every cursor where it was saved. */
  restart(): void {
    const { lines, oldest, cut } = this.flushed;
    this.lines.length = lines;
    this.oldest = oldest;
    this.cut = cut;
    for (const reader of this.readers) {
      if (!reader.saved) reader.place = { line: oldest, offset: 0, lost: 0, cut: 0 };
      else reader.place = this.restored(reader.saved.place, reader.saved.ringCut);
    }
  }

  restored({ line, offset, lost, cut }: Place, ringCut: number): Place {
    const counted = { lost, cut: cut + Math.max(this.cut - ringCut, 0) };
    if (line >= this.lines.length) return { ...counted, line: this.lines.length, offset: 0 };
    if (line >= this.oldest) return { ...counted, line, offset };
    const dropped = this.oldest - line - (offset > 0 ? 1 : 0);
    return { ...counted, lost: lost + dropped, line: this.oldest, offset: 0 };
  }
}

/** One inbox, or many that follow each other, and the model beside it. */
function createTrial(options: InboxOptions, random: Random, folder: string | undefined) {
  const model = new Model(options.capacityBytes);
  const notices: string[] = [];
  let runs = 0;
  let path = '';
  let inbox = open(folder && join(folder, 'first.ring'));

  function open(at: string | undefined): Inbox {
    if (at === undefined) return createInbox(options);
    path = at;
    const said = createNotices('s');
    said.onNotice((line) => notices.push(line));
    return createInbox({ ...options, file: { path, notices: said } });
  }

  function append(): void {
    const event = Array.from({ length: random(options.eventBytesMax + 10) }, () =>
      String.fromCharCode(97 + random(26)),
    ).join('');
    inbox.append(Buffer.from(event));
    const kept = event.slice(0, options.eventBytesMax);
    if (event !== '') model.append(`${kept}\n`, kept.length < event.length);
  }

  function check(reader: Reader, where: string): void {
    const { cursor, place } = reader;
    assert.is(cursor.lostEvents(), place.lost, where);
    assert.is(cursor.cutEvents(), place.cut, where);
    assert.is(cursor.skipping, place.offset > 0, where);
  }

  function read(reader: Reader, where: string): void {
    const target = Buffer.alloc(random(60));
    const unread = model.unread(reader);
    const { bytes } = reader.cursor.read(target);
    assert.is(target.toString('latin1', 0, bytes), unread.slice(0, target.length), where);
    model.flush();
    const moved = random(3) === 0 ? 0 : random(bytes + 1);
    // As the batches do it: whoever stops within an event passes over the rest of it.
    if (moved > 0) reader.cursor.skipping = unread[moved - 1] !== '\n';
    reader.cursor.advance(moved);
    model.move(reader, moved);
    check(reader, where);
  }

  function save(reader: Reader): void {
    const position = JSON.parse(JSON.stringify(reader.cursor.position()));
    reader.saved = { position, place: reader.place, ringCut: model.cut };
  }

  /** A kill leaves the file as it is at that moment; an orderly stop saves the places of those who leave. */
  function restart(where: string): void {
    runs += 1;
    if (random(4) === 0) {
      inbox.end();
      model.flush();
      for (const reader of model.readers) reader.cursor.close();
      for (const reader of model.readers) save(reader);
      model.restart();
      inbox = open(path);
    } else {
      const [killed, next] = [path, join(folder as string, `${runs}.ring`)];
      copyFileSync(killed, next);
      inbox.end();
      rmSync(killed);
      model.restart();
      inbox = open(next);
    }
    for (const reader of model.readers) {
      reader.cursor = inbox.cursor(reader.saved?.position);
      check(reader, where);
    }
  }

  function step(where: string): void {
    if (model.readers.length < 3 && random(500) === 0) {
      const place = { line: model.oldest, offset: 0, lost: 0, cut: 0 };
      model.readers.push({ cursor: inbox.cursor(), place, saved: undefined });
    }
    for (let events = random(2) * (1 + random(4)); events > 0; events -= 1) append();
    if (folder && random(60) === 0) restart(where);
    const reader = model.readers[random(3)];
    if (!reader) return;
    read(reader, where);
    if (folder && random(20) === 0) save(reader);
  }

  return {
    /** Some steps in one turn of the event loop. */
    async turn(where: string) {
      for (let steps = random(4); steps >= 0; steps -= 1) step(where);
      await turnEnd();
      model.flush();
    },
    end(where: string) {
      for (const reader of model.readers) assert.is(readText(reader.cursor), model.unread(reader), where);
      assert.equal(notices, [], where);
      assert.ok(model.readers.some(({ place }) => place.lost > 0 && place.cut > 0));
      inbox.end();
      return runs;
    },
  };
}

async function compare(folder: string | undefined): Promise<void> {
  const seeds = [1, 2, 3, 4, 5, 6, Date.now() % 1_000_000];
  console.log(`note: seeds ${seeds}`);
  for (const seed of seeds) {
    const random = createRandom(seed);
    const options = { capacityBytes: 40 + random(200), eventBytesMax: 4 + random(35) };
    const trial = createTrial(options, random, folder);
    for (let turn = 0; turn < 2_500; turn += 1) await trial.turn(`seed ${seed} turn ${turn}`);
    const runs = trial.end(`seed ${seed}`);
    if (folder) assert.ok(runs > 50, `${runs} restarts`);
  }
}

test('in memory it does what the model does', () => compare(undefined));

test('in a file it does so over kills and stops, with exact counts of what is lost and cut', async () => {
  const folder = await temporaryFolder();
  await compare(folder.path);
  await folder.remove();
});

test.run();
