// The last events: bounded, filtered, held while a person reads.

import { by, make, say } from "./dom.js";
import { Recent, count, counted, filter, pretty } from "./model.js";

const EVENTS = 500;
/** How much is kept, in characters. */
const SIZE = 8 << 20;

export class Events {
  #recent = new Recent(EVENTS, SIZE);
  #arrived = new Recent(EVENTS, SIZE);
  #wanted = filter({});
  #seen = 0;
  #missed = 0;
  #waiting = 0;
  #held = false;
  #drawn = false;

  constructor() {
    for (const id of ["of-connection", "of-channel", "of-text"]) by(id).addEventListener("input", () => this.#filter());
    by("hold").addEventListener("click", () => this.#hold());
    by("clear").addEventListener("click", () => this.#clear());
  }

  /** An event of the stream, its text as it came. */
  add(kind, text) {
    const event = JSON.parse(text);
    this.#arrived.add({ kind, text, ...event, message: undefined });
    this.#seen += 1;
    this.#waiting += 1;
    this.#soon();
  }

  /** The daemon did not send so many, as this page was too slow for them. */
  dropped(events) {
    this.#missed += events;
    this.#soon();
  }

  /** The connections to choose from. */
  connections(names) {
    const box = by("of-connection");
    if ([...box.options].slice(1).map((one) => one.value).join("\n") === names.join("\n")) return;
    const chosen = box.value;
    const options = names.map((name) => make("option", { value: name }, name));
    box.replaceChildren(make("option", { value: "" }, "all"), ...options);
    box.value = names.includes(chosen) ? chosen : "";
    if (box.value !== chosen) this.#filter();
  }

  #soon() {
    if (this.#drawn) return;
    this.#drawn = true;
    requestAnimationFrame(() => {
      this.#drawn = false;
      if (!this.#held) this.#take();
      this.#tell();
    });
  }

  #take() {
    const fresh = this.#arrived.list.toReversed();
    this.#arrived.clear();
    this.#waiting = 0;
    for (const event of fresh) {
      event.row = row(event);
      event.row.hidden = !this.#wanted(event);
      for (const gone of this.#recent.add(event)) gone.row.remove();
    }
    const kept = fresh.filter((event) => this.#recent.list.includes(event));
    by("list").prepend(...kept.reverse().map((event) => event.row));
  }

  #filter() {
    const value = (id) => by(id).value;
    this.#wanted = filter({ connection: value("of-connection"), channel: value("of-channel"), text: value("of-text") });
    for (const event of this.#recent.list) event.row.hidden = !this.#wanted(event);
    this.#tell();
  }

  #hold() {
    this.#held = !this.#held;
    by("hold").setAttribute("aria-pressed", String(this.#held));
    this.#soon();
  }

  #clear() {
    this.#recent.clear();
    this.#arrived.clear();
    this.#waiting = 0;
    by("list").replaceChildren();
    this.#tell();
  }

  #tell() {
    say(by("hold"), this.#held ? `Go on (${count(this.#waiting)} wait)` : "Pause");
    const shown = this.#recent.list.filter((event) => !event.row.hidden).length;
    const missed = this.#missed > 0 ? ` ${counted(this.#missed, "event")} came too fast to be shown here; the sinks have them.` : "";
    const seen = `${counted(this.#seen, "event")} since this page was opened, ${count(shown)} of the last ${count(this.#recent.list.length)} shown.`;
    say(by("shown"), this.#seen === 0 ? "No event yet." : `${seen}${missed}`);
  }
}

function row(event) {
  const time = new Date(event.received).toLocaleTimeString();
  const replay = event.replay === null || event.replay === undefined ? "" : `replay ${event.replay}`;
  const cells = [make("time", {}, time), make("span", {}, event.connection), make("code", {}, event.channel), make("span", {}, replay)];
  if (event.kind === "gap") cells.unshift(make("strong", { class: "badge bad" }, "gap"));
  const details = make("details", {}, make("summary", {}, ...cells));
  details.addEventListener("toggle", () => details.open && open(details, event.text), { once: false });
  return make("li", { class: event.kind }, details);
}

function open(details, text) {
  if (details.querySelector("pre")) return;
  const shown = pretty(messageOf(text));
  const copy = make("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(shown).then(
      () => say(copy, "Copied"),
      () => say(copy, "The browser does not allow it"),
    );
    setTimeout(() => say(copy, "Copy"), 2000);
  });
  details.append(copy, make("pre", { tabindex: "0", "aria-label": "The event as JSON" }, shown));
}

/** The server's bytes: the last member of what the stream has. */
function messageOf(text) {
  const begin = text.indexOf('"message":');
  return begin < 0 ? text : text.slice(begin + '"message":'.length, text.lastIndexOf("}"));
}
