// What the page knows and says, without the page: windows of figures, filters, words.

/** How far back charts and strips go, in seconds. */
export const WINDOW = 300;

/** Numbers as the server wrote them, where the browser can keep that. */
function exact(_key, value, context) {
  const keeps = typeof value === "number" && context?.source && JSON.rawJSON;
  return keeps ? JSON.rawJSON(context.source) : value;
}

/** JSON for a person; what cannot be read stays as it is. */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text, exact), null, 2);
  } catch {
    return text;
  }
}

/** A figure a second over the last WINDOW seconds, of samples that come when they come. */
export class Series {
  #points = [];
  #last = null;

  /** What was so at `at` (ms), and since the sample before. */
  level(at, value) {
    const second = Math.floor(at / 1000);
    const from = this.#last === null ? second : Math.max(this.#last + 1, second - WINDOW + 1);
    for (let one = from; one <= second; one += 1) this.#points.push([one, value]);
    if (this.#last === second && this.#points.length > 0) this.#points[this.#points.length - 1][1] = value;
    this.#last = Math.max(second, this.#last ?? second);
    const gone = this.#points.findIndex(([one]) => one > second - WINDOW);
    if (gone > 0) this.#points.splice(0, gone);
  }

  get points() {
    return this.#points;
  }

  get now() {
    return this.#points.at(-1)?.[1] ?? 0;
  }

  get highest() {
    return this.#points.reduce((most, [, value]) => Math.max(most, value), 0);
  }
}

/** How fast a counter grows, a second. */
export class Rate extends Series {
  #count = null;
  #at = 0;

  /** The counter at `at` (ms). One that went back began anew with its process. */
  count(at, value) {
    const seconds = (at - this.#at) / 1000;
    if (this.#count !== null && seconds <= 0) return;
    const grown = this.#count === null ? 0 : value < this.#count ? value : value - this.#count;
    this.level(at, this.#count === null ? 0 : grown / seconds);
    this.#count = value;
    this.#at = at;
  }
}

/** The states that something was in, each with its beginning (ms). */
export class States {
  #list = [];

  note(at, state, since) {
    const last = this.#list.at(-1);
    if (last?.state === state) return;
    const from = last ? Math.max(last.from, Math.min(since ?? at, at)) : (since ?? at);
    this.#list.push({ state, from });
    const gone = this.#list.findIndex((_, place) => (this.#list[place + 1]?.from ?? at) > at - WINDOW * 1000);
    if (gone > 0) this.#list.splice(0, gone);
    if (this.#list.length > WINDOW) this.#list.splice(0, this.#list.length - WINDOW);
  }

  /** `{state, from, to}` within the window that ends at `at`. */
  spans(at) {
    const begin = at - WINDOW * 1000;
    return this.#list
      .map(({ state, from }, place) => ({ state, from: Math.max(from, begin), to: this.#list[place + 1]?.from ?? at }))
      .filter(({ from, to }) => to > from);
  }
}

/** A test for channels: `*` stands for a segment or a part of one, `**` for anything. */
export function glob(pattern) {
  if (pattern === "") return () => true;
  if (!pattern.includes("*")) return (channel) => channel.toLowerCase().includes(pattern.toLowerCase());
  const pieces = pattern.split(/(\*\*|\*)/).map((piece) => {
    if (piece === "**") return ".*";
    return piece === "*" ? "[^/]*" : piece.replace(/[\\^$.|?+()[\]{}]/g, "\\$&");
  });
  const wanted = new RegExp(`^${pieces.join("")}$`, "iu");
  return (channel) => wanted.test(channel);
}

/** A test for events. */
export function filter({ connection = "", channel = "", text = "" }) {
  const ofChannel = glob(channel.trim());
  const wanted = text.trim().toLowerCase();
  return (event) =>
    (connection === "" || event.connection === connection) &&
    ofChannel(event.channel) &&
    (wanted === "" || event.text.toLowerCase().includes(wanted));
}

/** A list that holds at most `count` events and `size` characters, the newest first. */
export class Recent {
  constructor(count, size) {
    Object.assign(this, { count, size, list: [], held: 0 });
  }

  /** Takes the newest one and gives back those that had to go. */
  add(event) {
    this.list.unshift(event);
    this.held += event.text.length;
    const gone = [];
    while (this.list.length > this.count || (this.held > this.size && this.list.length > 1)) {
      const last = this.list.pop();
      this.held -= last.text.length;
      gone.push(last);
    }
    return gone;
  }

  clear() {
    this.list = [];
    this.held = 0;
  }
}

const number = new Intl.NumberFormat("en");

/** A count for a person. */
export const count = (value) => number.format(Math.round(value));

/** A count of things: "1 gap", "2 gaps". */
export const counted = (value, one) => `${count(value)} ${one}${Math.round(value) === 1 ? "" : "s"}`;

/** A duration in milliseconds for a person. */
export function lasting(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} days`;
}

/** Bytes for a person. */
export function bytes(value) {
  if (value < 1024) return `${value} B`;
  const power = Math.min(4, Math.floor(Math.log2(value) / 10));
  return `${(value / 1024 ** power).toFixed(1)} ${["", "KiB", "MiB", "GiB", "TiB"][power]}`;
}
