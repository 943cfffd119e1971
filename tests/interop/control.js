'use strict';
// Runs a Bayeux server for tests/interop.rs.
//
// The first line on stdout is the port, taken from the first argument (0, the default: any free one).
// Then commands come in on stdin, one a line:
//
//   publish CHANNEL FIRST LAST   publishes {"n":FIRST} to {"n":LAST} in order, says "published LAST"
//   poll                         says "polling" as soon as a /meta/connect is held
//
// and these lines go out as they happen: "subscribed CHANNEL", "unsubscribed CHANNEL", "left".
// The server ends with its stdin, so that a test that dies leaves none behind.

const readline = require('readline');

// Events published in one turn of the event loop. More than one turn makes the server spread them over
// several responses, which is what a client has to put together in order.
const CHUNK = 250;

class Control {
  constructor(publish) {
    this.publish = publish;
    this.held = 0;
    this.waiting = 0;
  }

  say(line) {
    process.stdout.write(`${line}\n`);
  }

  // A /meta/connect begins to be held.
  onHeld() {
    this.held += 1;
    while (this.waiting > 0) {
      this.waiting -= 1;
      this.say('polling');
    }
  }

  // A held /meta/connect is answered.
  onReleased() {
    this.held -= 1;
  }

  listen(server) {
    server.listen(Number(process.argv[2] || 0), '127.0.0.1', () => {
      this.say(server.address().port);
      const lines = readline.createInterface({ input: process.stdin });
      lines.on('line', line => this.obey(line.trim().split(/\s+/)));
      lines.on('close', () => process.exit(0));
    });
  }

  obey([command, channel, first, last]) {
    if (command === 'publish') {
      this.publishRange(channel, Number(first), Number(last));
    } else if (command === 'poll') {
      this.waiting += 1;
      if (this.held > 0) {
        this.waiting -= 1;
        this.say('polling');
      }
    } else {
      this.say(`unknown command ${command}`);
    }
  }

  publishRange(channel, first, last) {
    const end = Math.min(first + CHUNK - 1, last);
    for (let n = first; n <= end; n += 1) {
      this.publish(channel, { n });
    }
    if (end < last) {
      setTimeout(() => this.publishRange(channel, end + 1, last), 1);
    } else {
      this.say(`published ${last}`);
    }
  }
}

module.exports = Control;
