// The CometD project's client for JavaScript: what it misses while its session is lost it gets by replay.

import assert from 'node:assert/strict';
import { CometD } from 'cometd';
import { adapt } from 'cometd-nodejs-client';
import { CHANNEL, PUSH_TOPIC, VERSION, assertStatements, main, until } from './org.mjs';

// Salesforce's extension for it, as every application has to bring it: it asks for what follows the last event.
class Replay {
  last = new Map();
  offered = false;

  outgoing(message) {
    if (message.channel === '/meta/subscribe' && this.offered) {
      const { subscription } = message;
      message.ext = { ...message.ext, replay: { [subscription]: this.last.get(subscription) ?? -1 } };
    }
    return message;
  }

  incoming(message) {
    if (message.channel === '/meta/handshake') {
      this.offered = message.ext?.replay === true;
    } else if (message.data?.event?.replayId !== undefined) {
      this.last.set(message.channel, message.data.event.replayId);
    }
    return message;
  }
}

main(async org => {
  await org.login();
  await org.create('PushTopic', PUSH_TOPIC);
  adapt();
  const client = new CometD();
  const [replay, events, subscribed] = [new Replay(), [], []];
  client.configure({
    url: `${org.origin}/cometd/${VERSION}`,
    appendMessageTypeToURL: false,
    requestHeaders: { Authorization: `Bearer ${org.token}` },
  });
  client.registerExtension('replay', replay);
  client.addListener('/meta/handshake', reply => {
    if (reply.successful) {
      client.subscribe(CHANNEL, event => events.push(event), answer => subscribed.push(answer));
    }
  });

  client.handshake();
  await until('a subscription', () => subscribed.length === 1);
  assert.equal(client.getTransport().type, 'long-polling');
  assert.ok(replay.offered, 'the server offers replay');
  assert.equal(subscribed[0].successful, true, JSON.stringify(subscribed[0]));
  await org.createStatements(1, 100);
  await until('a hundred events', () => events.length >= 100);
  assertStatements(events, 1, 100);

  // These statements are made while there is no session, nor a way to another one.
  await org.control('faults', { next: 1_000_000, channel: '/meta/handshake', status: 503 });
  await org.control('sessions/expire');
  await org.createStatements(101, 110);
  assert.equal(subscribed.length, 1);
  await org.control('faults', { next: 0 });
  await until('a new subscription', () => subscribed.length === 2);
  await org.createStatements(111, 120);
  await until('the events of both sessions', () => events.length >= 120);
  assertStatements(events, 1, 120);

  const left = new Promise(resolve => client.disconnect(resolve));
  assert.equal((await left).successful, true);
  const state = await org.state();
  assert.deepEqual(
    [state.handshakes, state.subscribes, state.disconnects, state.events_handed_out, state.sessions],
    [2, 2, 1, 120, []],
  );
});
