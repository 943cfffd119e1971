'use strict';
// Faye, run by tests/interop.rs; control.js says how.

const http = require('http');
const { NodeAdapter } = require('faye');
const Control = require('./control');

// Faye's timeouts are seconds. The path is CometD's, so that the test can treat both servers alike.
const bayeux = new NodeAdapter({ mount: '/cometd', timeout: 30 });
const publisher = bayeux.getClient();
const control = new Control((channel, data) => publisher.publish(channel, data));

bayeux.on('subscribe', (client, channel) => control.say(`subscribed ${channel}`));
bayeux.on('unsubscribe', (client, channel) => control.say(`unsubscribed ${channel}`));
bayeux.on('disconnect', () => control.say('left'));
bayeux.on('connection:open', () => control.onHeld());
bayeux.on('connection:close', () => control.onReleased());

const server = http.createServer();
bayeux.attach(server);
// What a Faye client publishes before its own handshake is done leaves in the reverse order.
publisher.connect(() => control.listen(server));
