// The page's parts that need no page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Rate, Recent, Series, States, WINDOW, bytes, counted, filter, glob, lasting, pretty } from "../../src/admin/page/model.js";
import { parser } from "../../src/admin/page/stream.js";
import { problems, well } from "../../src/admin/page/words.js";

function parsed(...pieces) {
  const events = [];
  const push = parser((event) => events.push(event));
  pieces.forEach(push);
  return events;
}

test("events of a stream are read wherever it is cut", () => {
  const text = 'retry: 2000\n\nevent: status\ndata: {"a":1}\n\n: \n\ndata: x\r\ndata: y\r\n\r\nevent: gone\n\n';
  const whole = parsed(text);
  assert.deepEqual(whole, [{ type: "status", data: '{"a":1}' }, { type: "message", data: "x\ny" }]);
  for (let at = 0; at <= text.length; at += 1) assert.deepEqual(parsed(text.slice(0, at), text.slice(at)), whole, `cut at ${at}`);
  assert.deepEqual(parsed(...text), whole);
});

test("an event without its end is not given", () => {
  assert.deepEqual(parsed("data: x\n"), []);
});

test("a rate is what a counter grew by a second, and begins anew with its process", () => {
  const rate = new Rate();
  rate.count(10_000, 100);
  rate.count(11_000, 150);
  assert.equal(rate.now, 50);
  rate.count(21_000, 150);
  assert.equal(rate.now, 0);
  assert.equal(rate.points.length, 12);
  rate.count(22_000, 7);
  assert.equal(rate.now, 7);
  assert.equal(rate.highest, 50);
});

test("a series holds its window and no more, whatever the clock does", () => {
  const series = new Series();
  for (let second = 0; second < 3 * WINDOW; second += 1) series.level(second * 1000, second);
  assert.equal(series.points.length, WINDOW);
  series.level(1_000_000_000_000, 5);
  assert.ok(series.points.length <= WINDOW);
  series.level(0, 9);
  assert.ok(series.points.length <= WINDOW);
});

test("states follow each other without holes", () => {
  const states = new States();
  states.note(100_000, "live", 40_000);
  states.note(101_000, "live", 40_000);
  states.note(110_000, "handshaking", 108_000);
  assert.deepEqual(states.spans(120_000), [
    { state: "live", from: 40_000, to: 108_000 },
    { state: "handshaking", from: 108_000, to: 120_000 },
  ]);
});

test("channels are chosen by a part or by a pattern", () => {
  assert.ok(glob("")("/topic/A") && glob("order")("/topic/Order") && !glob("order")("/topic/Invoice"));
  assert.ok(glob("/topic/Or*")("/topic/Orders") && !glob("/topic/*")("/topic/a/b") && glob("/**")("/topic/a/b"));
  assert.ok(!glob("/topic/a.c*")("/topic/abc"), "a dot is a dot");
});

test("events are chosen by connection, channel and text together", () => {
  const event = { connection: "acme", channel: "/topic/A", text: '{"Name":"Größe"}' };
  assert.ok(filter({})(event) && filter({ connection: "acme", channel: "/topic/*", text: "größE" })(event));
  assert.ok(!filter({ connection: "beta" })(event) && !filter({ text: "other" })(event));
});

test("the list of events is bounded by their number and by their size", () => {
  const recent = new Recent(3, 10);
  assert.deepEqual(recent.add({ text: "aaaa" }), []);
  assert.deepEqual(recent.add({ text: "bbbb" }), []);
  assert.deepEqual(recent.add({ text: "cccc" }).map((one) => one.text), ["aaaa"]);
  assert.equal(recent.add({ text: "x".repeat(50) }).length, 2);
  assert.equal(recent.list.length, 1, "the newest is shown, however large");
});

test("JSON is made readable, and what is none stays as it came", () => {
  assert.equal(pretty('{"a":[1]}'), '{\n  "a": [\n    1\n  ]\n}');
  assert.equal(pretty("<b>"), "<b>");
});

test("figures are written for a person", () => {
  assert.deepEqual([counted(1, "gap"), counted(1234, "gap")], ["1 gap", "1,234 gaps"]);
  assert.deepEqual([lasting(0), lasting(119_000), lasting(3_600_000), lasting(400_000_000)], ["0 s", "119 s", "60 min", "4 days"]);
  assert.deepEqual([bytes(0), bytes(1536), bytes(3 << 20)], ["0 B", "1.5 KiB", "3.0 MiB"]);
});

const channel = (name, standing) => ({ name, standing });
const connection = (more) => ({
  name: "acme", state: "live", since: 0, waiting: "for events", waiting_ms: null, stalled: false, paused_since: null,
  channels: [], gaps: 0, set_aside: 0, events: 5, login: null, last_error: null, ...more,
});
const sink = (more) => ({ name: "hook", state: "idle", failing_since: null, last_error: null, parked: 0, refused: 0, dropped: 0, ...more });
const status = (connections, sinks, journal = null) => ({ updated_at: 60_000, journal, connections, sinks });
const texts = (...parts) => problems(status(...parts)).map((one) => one.text);

test("nothing is wrong with a daemon that is well", () => {
  assert.deepEqual(texts([connection()], [sink()]), []);
  assert.equal(well(status([connection()], [])), "1 of 1 connection live, 5 events received.");
});

test("what is wrong is said with where, since when and what follows, the worst first", () => {
  const down = connection({ name: "beta", state: "authenticating", since: 30_000, waiting: "for a token", waiting_ms: 9000, login: { error: { text: "wrong password" } } });
  const refused = connection({ channels: [channel("/topic/A", "denied"), channel("/topic/B", "live")], gaps: 2 });
  const failing = sink({ failing_since: 1000, last_error: "refused", parked: 1 });
  const journal = { state: "full", since: 58_000, last_error: null, lost: 0, damaged: 0 };
  assert.deepEqual(texts([refused, down], [failing], journal), [
    "The journal takes nothing for 2 s: full. Nothing more is asked for until it has room.",
    "Connection acme: /topic/A brings nothing, its subscription is denied.",
    "Connection beta is authenticating for 30 s, and waits for a token, at most 9 s: wrong password",
    "Sink hook fails for 59 s: refused. Its events wait, and it is tried again.",
    "Connection acme: 2 gaps since the start. Events may be missing there; each gap is in the log and in the sinks.",
    "Sink hook: 1 event refused for good, and parked.",
  ]);
});
