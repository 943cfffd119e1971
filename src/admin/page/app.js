// The page: one stream of statuses and events, and changes by requests.

import { connection, showConnection, showSink, sink } from "./cards.js";
import { by, keep, make, say } from "./dom.js";
import { Events } from "./events.js";
import { bytes, count, lasting } from "./model.js";
import { Refused, read } from "./stream.js";
import { journal, problems, well } from "./words.js";

/** The most cards of a kind, and the most lines about what is wrong. */
const CARDS = 100;
const PROBLEMS = 50;
/** Before the daemon is tried again, in milliseconds. */
const FIRST = 500;
const LONGEST = 8000;
const KEY = "cometail-token";

const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
const bearer = meta("cometail-auth") === "bearer";
const events = new Events();
let status = null;

/** What shows the daemon who asks. */
function credentials() {
  if (!bearer) return {};
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Asks for a change, and says what became of it; whether it was taken. */
async function ask(method, url, body, what) {
  const headers = { "Content-Type": "application/json", "X-Cometail-Token": meta("cometail-token"), ...credentials() };
  try {
    const response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const answer = await response.json().catch(() => ({}));
    const why = [answer.error, ...(answer.problems ?? [])].filter(Boolean).join("; ");
    const done = answer.done === false ? "asked for; the daemon is busy with it" : "done";
    say(by("told"), `${what}: ${response.ok ? done : why || `refused with ${response.status}`}.`);
    return response.ok;
  } catch (error) {
    say(by("told"), `${what}: the daemon cannot be reached (${error.message}).`);
    return false;
  }
}

function more(id, all, kind) {
  say(by(id), all.length > CARDS ? `The first ${CARDS} of ${count(all.length)} ${kind}; what is wrong with any is listed above.` : "");
}

function showProblems() {
  const all = problems(status);
  say(by("well"), well(status));
  const lines = all.slice(0, PROBLEMS);
  if (all.length > PROBLEMS) lines.push({ text: `and ${count(all.length - PROBLEMS)} more`, level: "warn" });
  const place = new Map(lines.map((line, at) => [line, at]));
  keep(by("problems"), lines, (line) => place.get(line), () => make("li"), (item, line) => {
    item.className = line.level;
    say(item, line.text);
  });
}

function show(text) {
  status = JSON.parse(text);
  const now = status.updated_at;
  say(by("about"), `version ${status.version}, process ${status.pid}, up ${lasting(now - status.started_at)}`);
  showProblems();
  const name = (one) => one.name;
  keep(by("connections"), status.connections.slice(0, CARDS), name, (one) => connection(one, ask), (card, one) => showConnection(card, one, now));
  keep(by("sinks"), status.sinks.slice(0, CARDS), name, (one) => sink(one, ask), (card, one) => showSink(card, one, now));
  more("connections-more", status.connections, "connections");
  more("sinks-more", status.sinks, "sinks");
  by("journal-section").hidden = !status.journal;
  if (status.journal) say(by("journal"), journal(status.journal, bytes));
  events.connections(status.connections.map(name));
}

function take({ type, data }) {
  if (type === "status") show(data);
  else if (type === "dropped") events.dropped(JSON.parse(data).events);
  else events.add(type, data);
}

function linkIs(text, level) {
  say(by("link"), text);
  by("link").className = `badge ${level}`;
  document.body.classList.toggle("stale", level === "bad");
}

/** Shows the field for the token until a person has given one. */
function token(problem) {
  const form = by("token-form");
  form.hidden = false;
  say(by("token-problem"), problem);
  by("token").focus();
  return new Promise((given) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, by("token").value.trim());
      by("token").value = "";
      form.hidden = true;
      given();
    };
  });
}

const pause = (ms) => new Promise((over) => setTimeout(over, ms));

/** After a break: when, and what follows. A daemon that has begun anew has another token for its page. */
async function lost(error, since, wait) {
  if (error instanceof Refused && (error.status === 401 || error.status === 403) && bearer) {
    sessionStorage.removeItem(KEY);
    linkIs("waits for the token", "warn");
    return token("This token is refused.");
  }
  const from = new Date(since).toLocaleTimeString();
  linkIs(`no connection to the daemon since ${from}; tried again every few seconds`, "bad");
  return pause(wait);
}

async function run() {
  if (bearer && !sessionStorage.getItem(KEY)) {
    linkIs("waits for the token", "warn");
    await token("");
  }
  let [wait, since, pid] = [FIRST, null, null];
  for (;;) {
    const opened = () => {
      [wait, since] = [FIRST, null];
      linkIs("connected", "good");
    };
    const heard = (event) => {
      take(event);
      if (event.type !== "status") return;
      // The page of another process has another token.
      if (pid !== null && pid !== status.pid) location.reload();
      pid = status.pid;
    };
    const error = await read("/api/v1/events", credentials(), heard, { opened }).catch((error) => error);
    since ??= Date.now();
    await lost(error, since, wait);
    wait = Math.min(wait * 2, LONGEST);
  }
}

run();
