// jsforce: logins, records, a PushTopic, a StreamingChannel, and the events of both by way of Faye's client.

import assert from 'node:assert/strict';
import jsforce from 'jsforce';
import { StreamingExtension } from 'jsforce/lib/api/streaming.js';
import { APP, CHANNEL, PASSWORD, PUSH_TOPIC, TOPIC, USER, VERSION, assertStatements, main, until } from './org.mjs';

const GENERIC = '/u/notifications/ExampleUserChannel';

main(async org => {
  const connection = new jsforce.Connection({ loginUrl: org.origin, version: VERSION });
  await assert.rejects(connection.login(USER, 'wrong'), /INVALID_LOGIN/);
  const user = await connection.login(USER, PASSWORD);
  assert.equal(connection.instanceUrl, org.origin);
  assert.match(connection.accessToken, /^00D/);

  await logsInByOAuth(org, user);
  await keepsRecords(connection);
  await streamsTopic(connection, org);
  await streamsChannel(connection, user);

  await connection.logout();
});

async function logsInByOAuth(org, user) {
  const connection = new jsforce.Connection({ oauth2: { loginUrl: org.origin, ...APP }, version: VERSION });
  const same = await connection.login(USER, PASSWORD);
  assert.deepEqual(same, user);
  const identity = await connection.identity();
  assert.equal(identity.username, USER);
  assert.equal(identity.organization_id, user.organizationId);
}

async function keepsRecords(connection) {
  const accounts = connection.sobject('Account');
  const made = await accounts.create({ Name: "O'Neill & Söhne", Industry: 'Banking' });
  assert.equal(made.success, true);
  assert.match(made.id, /^001[0-9A-Za-z]{15}$/);
  assert.equal((await accounts.update({ Id: made.id, Industry: 'Energy' })).success, true);
  const kept = await accounts.retrieve(made.id);
  assert.deepEqual([kept.Name, kept.Industry], ["O'Neill & Söhne", 'Energy']);
  const found = await connection.query("SELECT Id, Name FROM Account WHERE Name LIKE 'O\\'Neill%'");
  assert.deepEqual([found.totalSize, found.done, found.records[0].Id], [1, true, made.id]);
  assert.equal((await accounts.find({ Industry: 'Energy' }, 'Id, Industry')).length, 1);
  assert.ok((await accounts.describe()).fields.some(field => field.name === 'Industry'));
  assert.ok((await connection.describeGlobal()).sobjects.some(one => one.name === 'Invoice_Statement__c'));
  assert.ok((await connection.limits()).DailyStreamingApiEvents.Max > 0);
  await assert.rejects(accounts.create({ Nothing__c: 1 }), { errorCode: 'INVALID_FIELD' });
  assert.equal((await accounts.destroy(made.id)).success, true);
  await assert.rejects(accounts.retrieve(made.id), { errorCode: 'ENTITY_IS_DELETED' });
}

async function streamsTopic(connection, org) {
  const wrong = { ...PUSH_TOPIC, Query: `${PUSH_TOPIC.Query} LIMIT 1` };
  await assert.rejects(connection.sobject('PushTopic').create(wrong), /'LIMIT' is not allowed/);
  const topic = await connection.sobject('PushTopic').create(PUSH_TOPIC);
  assert.equal(topic.success, true);
  org.token = connection.accessToken;
  await org.createStatements(1, 5);

  // Replay -2 is everything that is retained, -1 what comes from now on.
  const [all, later] = [[], []];
  let left = false;
  const clients = [[-2, all], [-1, later]].map(([from, events]) => {
    const client = connection.streaming.createClient([
      new StreamingExtension.Replay(CHANNEL, from),
      // After a goodbye the held connect is answered with `reconnect: none`, which is no refusal.
      new StreamingExtension.AuthFailure(message => left || assert.fail(JSON.stringify(message))),
    ]);
    return { client, subscription: client.subscribe(CHANNEL, data => events.push({ data })) };
  });
  await Promise.all(clients.map(({ subscription }) => subscription));
  await org.createStatements(6, 50);
  await until('fifty events and the later ones', () => all.length >= 50 && later.length >= 45);
  assertStatements(all, 1, 50);
  assertStatements(later, 6, 50);

  const one = all[0].data.sobject.Id;
  await connection.sobject('Invoice_Statement__c').update({ Id: one, Status__c: 'Closed' });
  await connection.sobject('Invoice_Statement__c').destroy(one);
  await until('the update and the deletion', () => all.length === 52 && later.length === 47);
  const kinds = all.slice(50).map(({ data }) => [data.event.type, data.sobject.Id, data.sobject.Status__c]);
  assert.deepEqual(kinds, [['updated', one, 'Closed'], ['deleted', one, undefined]]);
  left = true;
  await Promise.all(clients.map(({ client }) => client.disconnect()));

  const simple = [];
  await connection.streaming.topic(TOPIC).subscribe(data => simple.push({ data }));
  await org.createStatements(51, 51);
  await until('an event without any extension', () => simple.length === 1);
  assertStatements(simple, 51, 51);
}

async function streamsChannel(connection, user) {
  const channel = await connection.sobject('StreamingChannel').create({ Name: GENERIC });
  const events = [];
  await connection.streaming.channel(GENERIC).subscribe(data => events.push(data.payload));
  const online = await connection.request(`/sobjects/StreamingChannel/${channel.id}/push`);
  assert.deepEqual(online, { OnlineUserIds: [user.id], ChannelName: GENERIC });
  const all = await connection.streaming.channel(GENERIC).push({ payload: 'to all', userIds: [] });
  assert.equal(all.fanoutCount, -1);
  const one = await connection.streaming.channel(GENERIC).push({ payload: 'to one', userIds: [user.id] });
  assert.deepEqual(one, { fanoutCount: 1, userOnlineStatus: { [user.id]: true } });
  await until('both pushes', () => events.length === 2);
  assert.deepEqual(events, ['to all', 'to one']);
}
