// What is only shown. What the car cannot measure is not there.

const share = (value, digits) => (value ? value.toExponential(digits) : "0");
const short = (text, most = 64) => (text.length > most ? `${text.slice(0, text.lastIndexOf(",", most))} and more` : text);

function element(name, text, parent, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  if (parent) parent.append(made);
  return made;
}

function pairs(list, rows) {
  list.replaceChildren();
  for (const [name, value] of rows) {
    if (value === null || value === undefined || value === "") continue;
    element("dt", name, list);
    element("dd", value, list);
  }
}

const fixed = (value, digits, unit) => (value === null || value === undefined ? null : `${value.toFixed(digits)} ${unit}`);

export function showFacts(list, s) {
  const board = showFacts.board || {};
  const throttled = board.throttling && (board.throttling.length ? board.throttling.join(", ") : "none");
  pairs(list, [
    ["model", s.model || "none loaded"],
    ["asked", s.steering_deg === null || s.speed === null ? null : `${s.steering_deg.toFixed(1)}°, ${s.speed.toFixed(2)} m/s`],
    ["pulses", s.throttle_us ? `steering ${s.steering_us} µs, throttle ${s.throttle_us} µs` : "off"],
    ["control steps", fixed(s.rate_hz, 1, "/s")],
    ["recording", s.recording],
    ["frames dropped", s.rate_hz === null ? null : String(s.frames_dropped)],
    ["deadlines missed", s.rate_hz === null ? null : String(s.deadlines_missed)],
    ["temperature", fixed(board.temperature, 1, "°C")],
    ["throttling", throttled],
    ["load", fixed(board.load, 2, "per core")],
  ]);
}
showFacts.board = {};

export function showTimings(table, s) {
  const rows = [["camera to wheel", s.latency], ["network", s.inference]].filter(([, timing]) => timing);
  table.hidden = rows.length === 0;
  const body = table.tBodies[0];
  body.replaceChildren();
  for (const [name, timing] of rows) {
    const row = element("tr", undefined, body);
    element("td", name, row);
    for (const key of ["p50_ms", "p95_ms", "p99_ms"]) element("td", timing[key].toFixed(1), row);
  }
}

export function showModels(list, found, use, sure) {
  const seen = JSON.stringify(found);
  if (list.dataset.seen === seen) return; // else a click would meet a button that was just replaced
  list.dataset.seen = seen;
  list.replaceChildren();
  if (found.error) element("li", found.error, list);
  if (!found.models.length && !found.error) element("li", "No models yet. Bring one with: racer deploy BUNDLE user@this-car", list);
  for (const card of found.models) {
    const current = card.sha256 === found.current;
    const p = card.parity;
    const item = element("li", undefined, list, current ? "current" : "");
    const head = element("div", undefined, item, "head");
    element("b", card.name, head);
    if (current) {
      element("span", "in use", head, "tag");
    } else {
      const button = element("button", "Use", head);
      button.dataset.use = card.sha256;
      button.onclick = () => { if (sure(`Let ${card.name} drive?`)) use(card.sha256); };
    }
    element("div", `${card.summary.sensors}; up to ${card.summary.speed.split(" to ")[1]}; trained on ${short(card.summary["trained on"])}`, item, "note");
    const more = element("details", undefined, item);
    element("summary", `card and parity: off by at most ${share(p.difference, 0)}`, more);
    pairs(element("dl", undefined, more), [
      ...Object.entries(card.summary),
      ["parity", `${p.observations} recorded answers, off by at most ${share(p.difference, 1)} of the range`],
      ["one answer", `${p.inference_ms} ms`],
      ["signed by", card.signed_by || "nobody"],
      ["sha256", card.sha256.slice(0, 12)],
    ]);
  }
}

export function showLog(list, events) {
  list.replaceChildren();
  for (const { at_s, text } of events.slice(0, 100)) {
    const item = element("li", undefined, list);
    element("span", `${at_s.toFixed(1)} s`, item);
    item.append(text);
  }
}
