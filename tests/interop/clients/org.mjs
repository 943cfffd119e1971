// What the clients of this folder share: the org, as somebody beside them sees it. Only Node.js's own fetch is used.

import assert from 'node:assert/strict';

export const USER = 'admin@example.com';
export const PASSWORD = 'password';
export const APP = { clientId: 'emulator', clientSecret: 'emulator-secret' };
export const TOPIC = 'InvoiceStatementUpdates';
export const CHANNEL = `/topic/${TOPIC}`;
export const VERSION = '61.0';
export const PUSH_TOPIC = {
  Name: TOPIC,
  Query: 'SELECT Id, Name, Status__c, Description__c FROM Invoice_Statement__c',
  ApiVersion: 61.0,
  NotifyForFields: 'Referenced',
};
// The longest that anything may take, in milliseconds.
const DEADLINE = 30_000;

export class Org {
  constructor(origin) {
    this.origin = origin;
  }

  async #answer(path, options) {
    const response = await fetch(this.origin + path, { signal: AbortSignal.timeout(DEADLINE), ...options });
    const text = await response.text();
    assert.ok(response.ok, `${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  async login() {
    const body = new URLSearchParams({
      grant_type: 'password',
      client_id: APP.clientId,
      client_secret: APP.clientSecret,
      username: USER,
      password: PASSWORD,
    });
    const granted = await this.#answer('/services/oauth2/token', { method: 'POST', body });
    this.token = granted.access_token;
  }

  async create(type, record) {
    const made = await this.#answer(`/services/data/v${VERSION}/sobjects/${type}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(record),
    });
    return made.id;
  }

  // Invoice statements with these numbers in their descriptions, one after the other.
  async createStatements(first, last) {
    for (let n = first; n <= last; n += 1) {
      await this.create('Invoice_Statement__c', { Description__c: String(n) });
    }
  }

  control(path, body = {}) {
    return this.#answer(`/_emulator/${path}`, { method: 'POST', body: JSON.stringify(body) });
  }

  state() {
    return this.#answer('/_emulator/state');
  }
}

// Waits until what is asked again and again comes true.
export async function until(what, ask) {
  const end = Date.now() + DEADLINE;
  while (!(await ask())) {
    assert.ok(Date.now() < end, `not in time: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

// The events of the statements with these numbers came, each once and in order.
export function assertStatements(events, first, last) {
  const wanted = Array.from({ length: last - first + 1 }, (_, index) => String(first + index));
  assert.deepEqual(events.map(event => event.data.sobject.Description__c), wanted);
  const ids = events.map(event => event.data.event.replayId);
  assert.ok(ids.every((id, index) => Number.isInteger(id) && (index === 0 || id > ids[index - 1])), `${ids}`);
}

// Runs a client against the org that the first argument names; "good" on stdout is its success.
export async function main(client) {
  await client(new Org(process.argv[2]));
  console.log('good');
  // Clients that keep their connections alive would keep the process alive.
  process.exit(0);
}
