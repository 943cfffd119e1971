// Appends each message of a channel to a file as a line of JSON: node subscribe.mjs URL CHANNEL FILE

import fs from 'node:fs';
import { CometD } from 'cometd';
import { adapt } from 'cometd-nodejs-client';

const [url, channel, path] = process.argv.slice(2);
const file = fs.createWriteStream(path, { flags: 'a' });
let lines = '';

function flush() {
  file.write(lines);
  lines = '';
}

// All messages of a response are handed over in one go: what is put off until then has them all.
function write(message) {
  if (lines === '') {
    process.nextTick(flush);
  }
  lines += JSON.stringify(message) + '\n';
}

function demand(reply) {
  if (!reply.successful) {
    console.error(JSON.stringify(reply));
    process.exit(1);
  }
}

adapt();
const client = new CometD();
client.unregisterTransport('websocket');
client.configure({ url, appendMessageTypeToURL: false, logLevel: 'warn' });
client.addListener('/meta/handshake', reply => {
  demand(reply);
  client.subscribe(channel, write, demand);
});
client.addListener('/meta/connect', demand);
client.handshake();
