// A card for each connection and each sink.

import { drawing, line, strip } from "./chart.js";
import { keep, make, say } from "./dom.js";
import { Rate, Series, States, bytes, count, counted, lasting } from "./model.js";
import { doing } from "./words.js";

/** The most channels that a card lists, those that bring nothing first. */
const CHANNELS = 100;

const path = (kind, name) => `/api/v1/${kind}/${encodeURIComponent(name)}`;

function head(name, kind, ask) {
  const badge = make("span", { class: "badge" });
  const pause = make("button", { type: "button" }, "Pause");
  pause.addEventListener("click", () => ask("POST", `${path(kind, name)}/${pause.dataset.verb}`, {}, `${pause.textContent} ${name}`));
  const title = make("h3", {}, name);
  return { badge, pause, row: make("div", { class: "row" }, title, badge, pause) };
}

function showHead(parts, name, state, level) {
  say(parts.badge, state);
  parts.badge.className = `badge ${level}`;
  const paused = state === "paused";
  parts.pause.dataset.verb = paused ? "resume" : "pause";
  say(parts.pause, paused ? "Resume" : "Pause");
  parts.pause.setAttribute("aria-label", `${paused ? "Resume" : "Pause"} ${name}`);
}

function subscribeForm(name, ask) {
  const channel = make("input", { required: true, placeholder: "/topic/Name", autocomplete: "off", spellcheck: "false" });
  const options = [["new", "new events"], ["all", "all retained"], ["id", "after replay id"]];
  const replay = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
  const id = make("input", { type: "number", min: "0", step: "1", "aria-label": `Replay id for ${name}`, hidden: true });
  replay.addEventListener("change", () => {
    id.hidden = id.disabled = replay.value !== "id";
    id.required = !id.hidden;
  });
  const submit = async (event) => {
    event.preventDefault();
    const from = replay.value === "id" ? Number(id.value) : replay.value;
    const body = { channel: channel.value.trim(), replay: from };
    if (await ask("POST", `${path("connections", name)}/channels`, body, `Subscribe ${body.channel}`)) channel.value = "";
  };
  const labels = [make("label", {}, "Subscribe ", channel), make("label", {}, "from ", replay)];
  return make("form", { class: "bar", submit }, ...labels, id, make("button", { "aria-label": `Subscribe a channel of ${name}` }, "Subscribe"));
}

/** The card of a connection. */
export function connection(one, ask) {
  const parts = head(one.name, "connections", ask);
  const lines = ["url", "what", "login", "counts", "error"].map((name) => [name, make("p", { class: name })]);
  Object.assign(parts, Object.fromEntries(lines), {
    strip: drawing("strip"),
    chart: drawing("line"),
    channels: make("ul", { class: "plain channels" }),
    more: make("p", { class: "quiet" }),
    states: new States(),
    rate: new Rate(),
    ask,
  });
  const { row, url, what, login, counts, error } = parts;
  const drawn = [parts.strip, what, parts.chart, counts, login, error];
  const card = make("article", { class: "card", "aria-label": `Connection ${one.name}` }, row, url, ...drawn);
  card.append(parts.channels, parts.more, subscribeForm(one.name, ask));
  card.parts = parts;
  return card;
}

function showChannels(parts, one) {
  const isLive = (channel) => channel.standing === "live";
  const sorted = [...one.channels.filter((channel) => !isLive(channel)), ...one.channels.filter(isLive)];
  const create = (channel) => {
    const url = `${path("connections", one.name)}/channels?channel=${encodeURIComponent(channel.name)}`;
    const click = () => parts.ask("DELETE", url, undefined, `Unsubscribe ${channel.name}`);
    const label = { type: "button", "aria-label": `Unsubscribe ${channel.name} of ${one.name}`, click };
    const badge = make("span", { class: "badge" });
    const item = make("li", { class: "row" }, make("code", {}, channel.name), badge, make("button", label, "Unsubscribe"));
    item.badge = badge;
    return item;
  };
  keep(parts.channels, sorted.slice(0, CHANNELS), (channel) => channel.name, create, (item, channel) => {
    say(item.badge, channel.standing);
    const waits = channel.standing === "pending" || channel.standing === "asked";
    item.badge.className = `badge ${isLive(channel) ? "good" : waits ? "warn" : "bad"}`;
  });
  say(parts.more, sorted.length > CHANNELS ? `and ${count(sorted.length - CHANNELS)} more channels` : "");
}

function loginText(login, now) {
  if (!login) return "";
  const who = login.user ? ` as ${login.user}` : "";
  const since = login.token_since ? `, token since ${lasting(now - login.token_since)}` : "";
  return `Login: ${login.what}${who}${since}`;
}

/** Brings the card of a connection up to date. */
export function showConnection(card, one, now) {
  const { parts } = card;
  const level = one.state === "live" && !one.stalled ? "good" : one.state === "paused" ? "idle" : "bad";
  showHead(parts, one.name, one.state, level);
  parts.states.note(now, one.state, one.since);
  parts.rate.count(now, one.events);
  strip(parts.strip, parts.states, now, one.name);
  const fast = `${counted(parts.rate.now, "event")} a second, at most ${count(parts.rate.highest)} in the last five minutes`;
  line(parts.chart, parts.rate, now, `${one.name}: ${fast}`);
  say(parts.url, one.url);
  say(parts.what, `${one.transport}, ${one.state} for ${lasting(now - one.since)}, ${doing(one)}`);
  say(parts.login, loginText(one.login, now));
  const last = one.last_event ? `, the last ${lasting(now - one.last_event)} ago` : "";
  say(parts.counts, `${counted(one.events, "event")}${last}; ${fast}; ${counted(one.handshakes, "handshake")}, ${bytes(one.bytes)}`);
  const error = one.last_error;
  say(parts.error, error ? `Last trouble ${lasting(now - error.at)} ago: ${error.text}` : "");
  showChannels(parts, one);
}

/** The card of a sink. */
export function sink(one, ask) {
  const parts = head(one.name, "sinks", ask);
  const lines = ["counts", "behind", "error"].map((name) => [name, make("p", { class: name })]);
  const drawn = { rateChart: drawing("line"), lagChart: drawing("line lag"), rate: new Rate(), lag: new Series() };
  Object.assign(parts, Object.fromEntries(lines), drawn);
  const { row, counts, behind, error, rateChart, lagChart } = parts;
  const card = make("article", { class: "card", "aria-label": `Sink ${one.name}` }, row, counts, rateChart, behind, lagChart, error);
  card.parts = parts;
  return card;
}

/** Brings the card of a sink up to date. */
export function showSink(card, one, now) {
  const { parts } = card;
  const bad = one.failing_since || one.state === "ended" || one.state === "retrying";
  showHead(parts, one.name, one.state, one.state === "paused" ? "idle" : bad ? "bad" : "good");
  const behind = one.lag ?? one.queued_events;
  parts.rate.count(now, one.delivered);
  parts.lag.level(now, behind);
  const fast = `${count(parts.rate.now)} a second, at most ${count(parts.rate.highest)} in the last five minutes`;
  say(parts.counts, `${one.kind}: ${counted(one.delivered, "event")} delivered, ${fast}`);
  line(parts.rateChart, parts.rate, now, `${one.name}: deliveries, ${fast}`);
  const late = `${counted(behind, "event")} behind, at most ${count(parts.lag.highest)} in the last five minutes`;
  say(parts.behind, late);
  line(parts.lagChart, parts.lag, now, `${one.name}: ${late}`);
  say(parts.error, one.last_error ? `Last trouble: ${one.last_error}` : "");
}
