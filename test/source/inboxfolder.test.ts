/**
 * Where inboxes lie: in a folder that is the host's own, whatever others have put in its place.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openInboxFolder } from '../../host/source/inboxfolder.js';
import { refusalOf } from '../configs.js';
import { temporaryFolder } from '../help.js';

interface Context {
  folder: string;
  data: string;
  place: string;
  lines: string[];
  /** The path of the source `s`, with one place to look at. */
  pathOf(part?: Partial<Parameters<typeof openInboxFolder>[0]>): string;
}

const inboxes = suite<Context>('inbox folder');
inboxes.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.data = join(context.folder, 'data');
  context.place = join(context.folder, 'shm');
  context.lines = [];
  for (const path of [context.data, context.place]) mkdirSync(path);
  const print = (line: string) => context.lines.push(line);
  context.pathOf = (part = {}) => {
    const { data, place } = context;
    return openInboxFolder({ dataFolder: data, places: [place], sources: ['s'], print, ...part })('s');
  };
});
inboxes.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

inboxes(
  'it is one for each data folder, and for its user alone',
  ({ folder, data, place, lines, pathOf }) => {
    const path = pathOf();
    const [name = ''] = readdirSync(place);
    assert.match(name, new RegExp(`^weir-${process.geteuid?.()}-[0-9a-f]{16}$`));
    assert.is(path, join(place, name, 's.ring'));
    assert.is(statSync(join(place, name)).mode & 0o777, 0o700);
    assert.is(pathOf(), path, 'the same one at each start');
    symlinkSync(data, join(folder, 'link'));
    assert.is(pathOf({ dataFolder: join(folder, 'link') }), path);
    mkdirSync(join(folder, 'another'));
    assert.is.not(pathOf({ dataFolder: join(folder, 'another') }), path);
    assert.equal(lines, []);
  },
);

inboxes('without a place to make it, it lies in the data folder', ({ data, place, lines, pathOf }) => {
  const path = join(data, 'inbox', 's.ring');
  assert.is(pathOf({ places: [] }), path);
  assert.is(statSync(join(data, 'inbox')).mode & 0o777, 0o700);
  writeFileSync(join(place, 'file'), '');
  assert.is(pathOf({ places: [join(place, 'file')] }), path);
  assert.equal(lines, []);
});

inboxes(
  'what others may have put in its place is not used, and that is told',
  ({ data, place, lines, pathOf }) => {
    const squatted = join(pathOf(), '..');
    const secret = join(place, 'elsewhere');
    const cases: [expected: RegExp, make: () => void][] = [
      [/found no folder; it is not used$/, () => symlinkSync(secret, squatted)],
      [/found no folder; it is not used$/, () => writeFileSync(squatted, '')],
      [/found one with mode 0755; it is not used$/, () => chmodSync(mkdir(squatted), 0o755)],
    ];
    if (process.geteuid?.() === 0)
      cases.push([/found one of user 1; it is not used$/, () => chownSync(mkdir(squatted), 1, 1)]);
    else console.log('note: the folder of another user is not tested: only root can make one');
    mkdirSync(secret, { mode: 0o700 });
    for (const [expected, make] of cases) {
      rmSync(squatted, { recursive: true });
      make();
      assert.is(pathOf(), join(data, 'inbox', 's.ring'));
      assert.match(lines.pop() as string, expected);
      assert.equal(lines, []);
    }
    assert.equal(readdirSync(secret), []);
  },
);

function mkdir(path: string): string {
  mkdirSync(path, { mode: 0o700 });
  return path;
}

inboxes('the folder of the config is the only one that is used', ({ folder, place, lines, pathOf }) => {
  const wanted = join(folder, 'run', 'weir');
  const path = pathOf({ inboxes: wanted });
  assert.is(join(path, '../..'), wanted);
  assert.equal(readdirSync(place), []);
  rmSync(join(path, '..'), { recursive: true });
  writeFileSync(join(path, '..'), '');
  assert.match(
    refusalOf(() => pathOf({ inboxes: wanted }), 'INBOX_UNWRITABLE'),
    /^inboxes: .*\/run\/weir\/weir-\d+-[0-9a-f]{16}: expected a folder for this user alone, found no folder$/,
  );
  assert.match(
    refusalOf(() => pathOf({ inboxes: '/proc/nothing' }), 'INBOX_UNWRITABLE'),
    /^inboxes: \/proc\/nothing\/weir-.*: expected a folder for this user alone, found ENOENT/,
  );
  assert.equal(lines, []);
});

inboxes('rings of sources that are gone are removed, and nothing else', ({ data, place, pathOf }) => {
  const own = join(pathOf(), '..');
  const files = ['s.ring', 's.ring.new', 'gone.ring', 'gone.ring.new', 'notes', 'x.ring.old', '.ring'];
  for (const name of files) writeFileSync(join(own, name), '');
  mkdirSync(join(own, 'folder.ring'));
  const inData = mkdir(join(data, 'inbox'));
  writeFileSync(join(inData, 's.ring'), '');
  writeFileSync(join(place, 'gone.ring'), '');
  pathOf();
  assert.equal(readdirSync(own).sort(), ['.ring', 'folder.ring', 'notes', 's.ring', 'x.ring.old']);
  assert.not(existsSync(inData), 'it lay there when there was no tmpfs');
  assert.ok(existsSync(join(place, 'gone.ring')));
});

inboxes(
  'a config without such a source makes no folder, and removes what there was',
  ({ data, place, pathOf }) => {
    pathOf({ sources: [] });
    assert.equal([readdirSync(data), readdirSync(place)], [[], []]);
    writeFileSync(pathOf(), '');
    pathOf({ sources: [] });
    assert.equal([readdirSync(data), readdirSync(place)], [[], []]);
  },
);

inboxes.run();
