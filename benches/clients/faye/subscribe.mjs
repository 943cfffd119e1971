// Appends each message of a channel to a file as a line of JSON: node subscribe.mjs URL CHANNEL FILE

import fs from 'node:fs';
import faye from 'faye';

const [url, channel, path] = process.argv.slice(2);
const file = fs.createWriteStream(path, { flags: 'a' });
let lines = '';

function flush() {
  file.write(lines);
  lines = '';
}

// All messages of a response are handed over in one go: what is put off until then has them all.
function write(name, data) {
  if (lines === '') {
    process.nextTick(flush);
  }
  lines += JSON.stringify({ channel: name, data }) + '\n';
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

const client = new faye.Client(url, { timeout: 120 });
client.disable('websocket');
client.on('transport:down', () => fail('the connection is lost'));
client.subscribe(channel).withChannel(write).then(undefined, fail);
