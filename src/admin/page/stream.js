// Server-sent events by fetch: a request of EventSource cannot carry a token.

/** Takes text as it comes and gives each whole event, `{type, data}`, to `take`. */
export function parser(take) {
  let rest = "";
  let event = { type: "message", data: [] };
  const line = (text) => {
    if (text === "") {
      if (event.data.length > 0) take({ type: event.type, data: event.data.join("\n") });
      event = { type: "message", data: [] };
      return;
    }
    const colon = text.indexOf(":");
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "data") event.data.push(value);
    if (field === "event") event.type = value;
  };
  return (text) => {
    // A CR at the end may be the first half of a line end.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

/** Why a stream was refused. */
export class Refused extends Error {
  constructor(status) {
    super(`the daemon answered ${status}`);
    this.status = status;
  }
}

/** Reads one stream to its end; `take` has each event. Throws when it breaks or is silent for `silence` ms. */
export async function read(url, headers, take, { silence = 40_000, opened = () => {} } = {}) {
  const control = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => control.abort(new Error("nothing was heard of the daemon")), silence);
  };
  heard();
  try {
    const response = await fetch(url, { headers, signal: control.signal, cache: "no-store" });
    if (!response.ok) throw new Refused(response.status);
    opened();
    const push = parser(take);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      heard();
      push(piece.value);
    }
  } finally {
    clearTimeout(timer);
    control.abort();
  }
}
