'use strict';
// The CometD project's server for Node.js, run by tests/interop.rs; control.js says how.

const http = require('http');
const { createCometDServer } = require('cometd-nodejs-server');
const Control = require('./control');

const bayeux = createCometDServer();
const control = new Control((channel, data) => bayeux.createServerChannel(channel).publish(null, data));

bayeux.addListener('subscribed', channel => control.say(`subscribed ${channel.name}`));
bayeux.addListener('unsubscribed', channel => control.say(`unsubscribed ${channel.name}`));
bayeux.addListener('sessionRemoved', () => control.say('left'));
bayeux.addListener('sessionAdded', session => {
  session.addListener('suspended', () => control.onHeld());
  session.addListener('resumed', () => control.onReleased());
});

control.listen(http.createServer(bayeux.handle));
