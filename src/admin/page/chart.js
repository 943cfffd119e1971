// Small drawings of the last minutes, each with its text for whoever does not see it.

import { WINDOW, lasting } from "./model.js";

const WIDTH = 300;
const HEIGHT = 48;
const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** An empty drawing. */
export function drawing(kind) {
  const height = kind === "strip" ? 12 : HEIGHT;
  return svg("svg", { class: kind, viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", role: "img" });
}

/** Draws a series that ends at `at` (ms). */
export function line(element, series, at, label) {
  const begin = Math.floor(at / 1000) - WINDOW;
  const most = Math.max(series.highest, 1);
  const x = (second) => (((second - begin) / WINDOW) * WIDTH).toFixed(1);
  const y = (value) => (HEIGHT - 1 - (value / most) * (HEIGHT - 4)).toFixed(1);
  const points = series.points.map(([second, value]) => `${x(second)},${y(value)}`);
  element.setAttribute("aria-label", label);
  if (points.length === 0) return element.replaceChildren();
  const [first, last] = [series.points[0][0], series.points.at(-1)[0]];
  const area = `${x(first)},${HEIGHT} ${points.join(" ")} ${x(last)},${HEIGHT}`;
  element.replaceChildren(svg("polygon", { points: area }), svg("polyline", { points: points.join(" ") }));
}

const LEVELS = { live: "good", paused: "idle", closed: "idle", new: "idle" };

/** Draws the states that something was in until `at` (ms). */
export function strip(element, states, at, name) {
  const begin = at - WINDOW * 1000;
  const spans = states.spans(at);
  const bars = spans.map(({ state, from, to }) => {
    const x = ((from - begin) / (WINDOW * 1000)) * WIDTH;
    const width = Math.max(1.5, ((to - from) / (WINDOW * 1000)) * WIDTH);
    const title = svg("title", {}, `${state} for ${lasting(to - from)}`);
    const box = { x: x.toFixed(1), y: 0, width: width.toFixed(1), height: 12, class: LEVELS[state] ?? "bad" };
    return svg("rect", box, title);
  });
  const told = spans.slice(-5).map(({ state, from, to }) => `${state} ${lasting(to - from)}`);
  element.setAttribute("aria-label", `States of ${name} in the last five minutes: ${told.join(", then ")}`);
  element.replaceChildren(...bars);
}
