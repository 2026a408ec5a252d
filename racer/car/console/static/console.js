// The page: connects, shows the status, sends commands and heartbeats. No build step, no other site.
import { Hold } from "./hold.js";
import { showModels, showLog, showFacts, showTimings } from "./panels.js";
import { showWizard } from "./wizard.js";

const $ = (id) => document.getElementById(id);
const BEAT_MS = 50;
const OLD_MS = 1000;
const TOKEN = "racer-token";

let token = "";
let socket = null;
let status = null;
let number = 0;
let retry = 0;
const hold = new Hold($("pad"), $("knob"));

function takeToken() {
  const found = /[#&]token=([^&]*)/.exec(location.hash); // not URLSearchParams, which makes a space of a plus
  const given = found && decodeURIComponent(found[1]);
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    history.replaceState(null, "", location.pathname); // not to be read over a shoulder or kept in the history
  }
  return given || sessionStorage.getItem(TOKEN) || "";
}

function url(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

// STOP goes both ways at once: the one needs an open connection, the other a free one. Neither needs the token.
function stop() {
  hold.release();
  send({ do: "stop" });
  fetch("/api/stop", { method: "POST", keepalive: true }).catch(() => say("STOP did not reach the car. Lift it, or switch it off."));
}

function say(text) {
  $("message").textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $("message").textContent = ""; }, 8000);
}

export async function ask(path) {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

function connect() {
  socket = new WebSocket(url("/ws"));
  socket.onopen = () => { number = 0; socket.send(JSON.stringify({ token })); };
  socket.onmessage = (event) => heard(JSON.parse(event.data));
  socket.onclose = (event) => lost(event.code);
}

function heard(message) {
  if (message.status) {
    if (!status) entered();
    status = message.status;
    return show();
  }
  if (message.error && !status) $("login-error").textContent = message.error;
  if (message.error) return say(message.error);
  if (message.done !== "stop") say("");
  if (["model", "rollback"].includes(message.done)) refresh();
}

function entered() {
  retry = 0;
  $("login").hidden = true;
  $("main").hidden = false;
  refresh();
  watch();
}

function lost(code) {
  hold.release();
  status = null;
  banner("none", "not connected", "the car stops when the page that commands it is gone");
  if (code === 4401) {
    sessionStorage.removeItem(TOKEN);
    $("main").hidden = true;
    $("login").hidden = false;
    return;
  }
  retry = Math.min(retry + 1, 6);
  setTimeout(connect, 250 * 2 ** retry);
}

// One picture is asked for when the one before it is shown, so that a slow network gets fewer and never older ones.
function watch() {
  const pictures = new WebSocket(url("/ws/picture"));
  pictures.binaryType = "blob";
  pictures.onopen = () => { pictures.send(JSON.stringify({ token })); pictures.send("next"); };
  pictures.onmessage = (event) => {
    if (typeof event.data === "string") return;
    const before = $("picture").src;
    $("picture").src = URL.createObjectURL(event.data);
    if (before) URL.revokeObjectURL(before);
    $("picture").hidden = false;
    $("picture").classList.remove("old");
    $("no-picture").hidden = true;
    clearTimeout(watch.timer);
    watch.timer = setTimeout(old, OLD_MS);
    pictures.send("next");
  };
  pictures.onclose = () => {
    $("picture").hidden = true;
    $("no-picture").hidden = false;
    if (socket && socket.readyState === WebSocket.OPEN) setTimeout(watch, 1000);
  };
}

// A picture that does not change any more must not look like one that does.
function old() {
  $("picture").classList.add("old");
  $("no-picture").hidden = false;
}

const WORDS = {
  BOOT: "starting", DISARMED: "disarmed", ARMED: "armed", DRIVING: "driving", SOFT_STOP: "stopping", HARD_STOP: "stopping",
  FAULT: "fault",
};

function banner(state, words, reason) {
  $("banner").dataset.state = state;
  $("state").textContent = words;
  $("reason").textContent = reason;
}

function show() {
  const s = status;
  const mine = s.command === "mine";
  const moving = s.state === "ARMED" || s.state === "DRIVING";
  banner(s.state || "none", WORDS[s.state] || "no actuator", s.reason);
  $("claim").hidden = mine;
  $("claim").textContent = s.command === "taken" ? "Take over (stops the car)" : "Take command";
  $("release").hidden = !mine;
  $("command-note").textContent = mine ? "You command this car." : s.command === "taken" ? "Another page commands it." : "";
  const driver = moving ? s.driver : chosen();
  document.querySelector(`[name=driver][value=${driver}]`).checked = true;
  for (const one of document.querySelectorAll("[name=driver]")) one.disabled = !mine || moving;
  $("arm").disabled = !mine || s.state !== "DISARMED";
  $("start").disabled = !mine || s.state !== "ARMED";
  $("disarm").disabled = !mine || !moving;
  $("clear").hidden = s.state !== "FAULT";
  $("clear").disabled = !mine;
  $("limit").disabled = !mine;
  if (document.activeElement !== $("limit")) $("limit").value = Math.round(s.speed_limit * 100);
  $("limit-shown").textContent = `${$("limit").value} %`;
  $("pad").hidden = $("pad-keys").hidden = driver !== "manual";
  $("rollback").disabled = !mine || moving;
  for (const one of document.querySelectorAll("[data-use]")) one.disabled = !mine || moving;
  hold.allowed = mine && s.state === "DRIVING" && s.driver === "manual";
  showFacts($("facts"), s);
  showTimings($("timings"), s);
  showWizard($("wizard-body"), s, send);
}

function chosen() {
  return document.querySelector("[name=driver]:checked").value;
}

function beat() {
  if (!status || status.command !== "mine") return;
  number += 1;
  send({ do: "beat", number, seen: status.stamp, ...hold.read() });
}

async function refresh() {
  if (!status && !token) return;
  try {
    const [models, log, board] = await Promise.all(["/api/models", "/api/log", "/api/board"].map(async (path) => (await ask(path)).json()));
    showModels($("model-list"), models, (sha256) => send({ do: "model", sha256 }), (text) => confirm(text));
    $("rollback").hidden = !models.previous;
    showLog($("log"), log);
    showFacts.board = board;
  } catch { /* the next one comes */ }
}

async function download() {
  const blob = await (await ask("/api/telemetry.csv")).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "telemetry.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// Whoever cannot see the page cannot stop the car: hiding or leaving it stops the car in any mode.
function away() {
  hold.release();
  if (status && status.command === "mine" && (status.state === "ARMED" || status.state === "DRIVING")) send({ do: "disarm" });
}

$("stop").addEventListener("pointerdown", (event) => { event.preventDefault(); stop(); });
$("stop").addEventListener("click", (event) => { if (event.detail === 0) stop(); }); // Enter on the button
window.addEventListener("keydown", (event) => {
  if (event.code !== "Space") return;
  if (event.target.matches("input:not([type=range]):not([type=radio])") && status === null) return; // typing the token
  event.preventDefault();
  event.stopPropagation();
  if (!event.repeat) stop();
}, true);
window.addEventListener("keyup", (event) => { if (event.code === "Space" && status) event.preventDefault(); }, true); // else it clicks the focused button
window.addEventListener("blur", () => hold.release());
window.addEventListener("pagehide", away);
document.addEventListener("visibilitychange", () => { if (document.hidden) away(); });

$("claim").onclick = () => send({ do: "claim", force: status.command === "taken" });
$("release").onclick = () => send({ do: "release" });
$("arm").onclick = () => send({ do: "arm", driver: chosen() });
$("start").onclick = () => send({ do: "start" });
$("disarm").onclick = () => send({ do: "disarm" });
$("clear").onclick = () => { if (confirm("Have you looked at the car, and is it safe to go on?")) send({ do: "clear" }); };
$("rollback").onclick = () => { if (confirm("Switch back to the model that was in use before?")) send({ do: "rollback" }); };
$("limit").oninput = () => { $("limit-shown").textContent = `${$("limit").value} %`; };
$("limit").onchange = () => { send({ do: "limit", share: $("limit").value / 100 }); $("limit").blur(); };
$("download").onclick = download;
for (const one of document.querySelectorAll("[name=driver]")) one.onchange = () => show();
$("login").onsubmit = (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem(TOKEN, token);
  connect();
};

token = takeToken();
setInterval(beat, BEAT_MS);
setInterval(() => { if (status) refresh(); }, 2000);
if (token) connect();
else $("login").hidden = false;
