// For the benchmark: every line that holds one of the literals of the config.
import { Stream, Text, config, events, key, receivedAt, selectText } from 'weir/runtime';

const LINE = key('line');
const hits = new Stream('hits');

const literals = config().only(['literals']).get('literals');
for (let i = 0; i < literals.size(); i++) selectText(literals.item(i).text());

events((line: Text): void => {
  hits.open(receivedAt()).text(LINE, line).close();
});
