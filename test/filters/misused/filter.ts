// For tests: does with each line what the config names, which the library does not bear.
import { config, events, key, Stream, Table, Text } from 'weir/runtime';

const settings = config().only(['mistake', 'name']);
const said = settings.get('mistake').text();
const mistake = String.UTF8.decodeUnsafe(said.start, said.length);
const name = settings.get('name').text();
const told = new Stream('told');
const LINE = key('line');
const COUNT = key('count');
const counts: i32[] = [1, 2];
let endless = 0;
const table = new Table('lines', 16, 32, 2);
if (!name.isEmpty()) key(String.UTF8.decodeUnsafe(name.start, name.length));

if (!is('deaf')) events(each);

function each(line: Text): void {
  const row = table.at(0).by(line).row();
  table.add(row, 1, 1);
  if (is('counter')) table.add(row, 2, 1);
  else if (is('row')) table.count(table.at(1).by(line).find(), 0);
  else if (is('twice')) told.open(0).text(LINE, line).open(0);
  else if (is('open')) told.open(0).text(LINE, line);
  else if (is('text')) told.text(LINE, line);
  else if (is('int')) told.int(COUNT, 1);
  else if (is('close')) told.close();
  else if (is('closed')) closeTwice(line);
  else if (is('repeated')) told.open(0).text(LINE, line).int(LINE, 1).close();
  else if (is('assert')) assert(line.at(0) === 97, 'the line begins with a');
  else if (is('throw')) throw new Error('no such line');
  else if (is('divide'))
    told
      .open(0)
      .int(COUNT, 1 / <i64>line.at(7))
      .close();
  else if (is('endless')) while (line.at(0)) endless++;
  else if (is('deep')) endless = deeper(line.at(0));
  else if (is('index')) told.open(0).int(COUNT, counts[line.at(0)]).close();
  else if (is('allocate'))
    told
      .open(0)
      .int(COUNT, [line.at(0)].length)
      .close();
  else told.open(0).text(LINE, line).int(COUNT, table.count(row, 1)).close();
}

function closeTwice(line: Text): void {
  told.open(0).text(LINE, line).close();
  told.close();
}

function deeper(byte: i32): i32 {
  return byte ? deeper(byte + 1) + 1 : 0;
}

function is(what: string): bool {
  return mistake === what;
}
