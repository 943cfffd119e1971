// What is wrong, in plain words: what, where, since when, and what follows.

import { count, counted, lasting } from "./model.js";

const since = (now, at) => (at ? ` for ${lasting(now - at)}` : "");
const because = (text) => (text ? `: ${text}` : "");

/** What a session does in a state, for a person. */
export function doing(one) {
  if (one.state === "paused") return "paused by an operator; nothing is received until it is resumed";
  const wait = one.waiting_ms === null || one.waiting_ms === undefined ? "" : `, at most ${lasting(one.waiting_ms)}`;
  return `waits ${one.waiting}${wait}`;
}

function ofConnection(one, now) {
  const list = [];
  const at = `Connection ${one.name}`;
  if (one.state === "paused") list.push({ text: `${at} is paused${since(now, one.since)}.`, level: "warn" });
  else if (one.state === "cannot start") {
    list.push({ text: `${at} cannot start${since(now, one.since)}, and is tried again${because(one.last_error?.text)}`, level: "bad" });
  } else if (one.state !== "live") {
    const error = because(one.login?.error?.text ?? one.last_error?.text);
    list.push({ text: `${at} is ${one.state}${since(now, one.since)}, and ${doing(one)}${error}`, level: "bad" });
  } else if (one.stalled) {
    list.push({ text: `${at}: no poll has succeeded for too long; it begins anew by itself.`, level: "bad" });
  }
  if (one.paused_since) {
    list.push({ text: `${at} asks for nothing${since(now, one.paused_since)}, until the journal has room.`, level: "bad" });
  }
  const live = one.state === "live";
  for (const channel of one.channels.filter((channel) => live && channel.standing !== "live").slice(0, 20)) {
    const level = channel.standing === "pending" || channel.standing === "asked" ? "warn" : "bad";
    list.push({ text: `${at}: ${channel.name} brings nothing, its subscription is ${channel.standing}.`, level });
  }
  if (one.gaps > 0) {
    list.push({
      text: `${at}: ${counted(one.gaps, "gap")} since the start. Events may be missing there; each gap is in the log and in the sinks.`,
      level: "warn",
    });
  }
  if (one.set_aside > 0) {
    list.push({ text: `${at}: ${counted(one.set_aside, "message")} could not be read and were set aside.`, level: "warn" });
  }
  return list;
}

function ofSink(one, now) {
  const list = [];
  const at = `Sink ${one.name}`;
  if (one.state === "paused") list.push({ text: `${at} is paused; the journal keeps its events.`, level: "warn" });
  if (one.state === "ended") list.push({ text: `${at} has ended; nothing is delivered to it until the next start.`, level: "bad" });
  else if (one.state === "cannot start") {
    list.push({
      text: `${at} cannot start${since(now, one.failing_since)}${because(one.last_error)}. It is tried again, and its events wait in the journal.`,
      level: "bad",
    });
  } else if (one.failing_since) {
    list.push({
      text: `${at} fails${since(now, one.failing_since)}${because(one.last_error)}. Its events wait, and it is tried again.`,
      level: "bad",
    });
  }
  if (one.parked > 0) list.push({ text: `${at}: ${counted(one.parked, "event")} refused for good, and parked.`, level: "warn" });
  const lost = one.refused + one.dropped;
  if (lost > 0) list.push({ text: `${at}: ${counted(lost, "event")} lost for this sink.`, level: "bad" });
  return list;
}

function ofJournal(one, now) {
  const list = [];
  if (one.state !== "good") {
    const text = `The journal takes nothing${since(now, one.since)}: ${one.state}${because(one.last_error?.text)}. Nothing more is asked for until it has room.`;
    list.push({ text, level: "bad" });
  }
  if (one.lost > 0) list.push({ text: `The journal: ${counted(one.lost, "event")} left it before every sink had them.`, level: "bad" });
  if (one.damaged > 0) list.push({ text: `The journal: ${counted(one.damaged, "damaged place")} found at the start.`, level: "bad" });
  return list;
}

/** All that is wrong, the worst first: `{text, level}`. */
export function problems(status) {
  const now = status.updated_at;
  const list = [
    ...(status.journal ? ofJournal(status.journal, now) : []),
    ...status.connections.flatMap((one) => ofConnection(one, now)),
    ...status.sinks.flatMap((one) => ofSink(one, now)),
  ];
  return [...list.filter((one) => one.level === "bad"), ...list.filter((one) => one.level !== "bad")];
}

/** One line about everything that is well. */
export function well(status) {
  const live = status.connections.filter((one) => one.state === "live" && !one.stalled).length;
  const events = status.connections.reduce((sum, one) => sum + one.events, 0);
  return `${live} of ${counted(status.connections.length, "connection")} live, ${counted(events, "event")} received.`;
}

/** The journal in one line. */
export function journal(one, bytes) {
  const waiting = one.next_sequence - one.durable;
  return `${one.path}: ${one.state}, ${bytes(one.bytes)} in ${counted(one.segments, "segment")}, next event ${count(one.next_sequence)}, ${count(waiting)} not synced.`;
}
