// Puts the parts together: one connection, three screens, the keys.

import { Connection } from "./connection.js";
import { Controls } from "./controls.js";
import { showDash, showFigures } from "./dash.js";
import { byId, fetchJson, setText, takesKeys } from "./dom.js";
import { Drive } from "./drive.js";
import { plain, quantile } from "./numbers.js";
import { Latency } from "./latency.js";
import { Library } from "./library.js";
import { RoadMap } from "./map.js";
import { Replay } from "./replay.js";
import { Strip } from "./strip.js";
import { Training } from "./training.js";
import { Picture } from "./view.js";

const CAMERAS = { 2: "camera-left", 3: "camera-center", 4: "camera-right" };  // any other is the view
const SAID_MS = 7000;
const RUNS_EVERY_MS = 15000;

const address = new URL("ws", location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
address.hash = "";

const connection = new Connection(address);
const send = (message) => connection.send(message);
const latency = new Latency();
const screenIs = (name) => document.body.dataset.screen === name;
const controls = new Controls(connection, latency, () => screenIs("drive") && !document.querySelector("dialog[open]"));
const drive = new Drive(send, say, controls);
const strip = new Strip(byId("strip"));
const map = new RoadMap(byId("map"));
const replay = new Replay(say, () => library.refresh());
const training = new Training(say, (run) => {
  location.hash = "#drive";
  send({ type: "pilot", run });
});
const library = new Library(say, training, (runs) => {
  drive.runs(runs);
  replay.runs(runs);
  training.runs(runs);
});

const meter = { pictures: 0, drawn: 0, bytes: 0, rate: 0, kilobytes: 0, state: null, frame: -1 };
const STILL_MINE_MS = 10000;
let left_seat = false, drove_until_ms = -Infinity;

// --- pictures

const main = new Picture(byId("main"), (picture) => {
  byId("waiting").hidden = true;
  meter.drawn += 1;
  meter.pictures += 1;
  meter.frame = picture.number;
  // A canvas that was drawn on is shown by the next animation frame.
  requestAnimationFrame(() => latency.drawn(picture.number, performance.now()));
  send({ type: "seen", frame: picture.number });
});
const cameras = Object.fromEntries(
  Object.entries(CAMERAS).map(([kind, id]) => [kind, new Picture(byId(id))]),
);

connection.on("picture", (picture) => {
  meter.bytes += picture.jpeg.size;
  (cameras[picture.kind] ?? main).offer(picture);
});

function hold() {
  const held = document.hidden || !screenIs("drive");
  for (const picture of [main, ...Object.values(cameras)]) picture.held = held;
}

// --- messages

connection
  .on("open", () => link("open", "connected"))
  .on("lost", (reason) => {
    if (document.body.dataset.link === "open") say("warning", reason || "Connection lost, trying again.");
    link("lost", "connection lost, trying again");
    latency.forget();
    if (drive.drives) drove_until_ms = performance.now();
    drive.lost();
    for (const picture of [main, ...Object.values(cameras)]) picture.forget();
  })
  .on("hello", (hello) => {
    drive.hello(hello);
    map.road = hello.map;
    library.refresh();
    const had_seat = performance.now() - drove_until_ms < STILL_MINE_MS;
    if (document.hidden) leaveSeat();
    else if (had_seat && !drive.drives) send({ type: "take" });  // a watcher was back sooner
  })
  .on("map", (message) => { map.road = message.map ?? message; })
  .on("driver", ({ driver }) => {
    drive.driver(driver);
    if (document.hidden) leaveSeat();
  })
  .on("say", ({ level, text }) => say(level, text))
  .on("state", (state) => {
    const before = meter.state;
    meter.state = state;
    if (drive.drives) latency.acknowledged(state.input_ack, state.frame);
    strip.add(state);
    if (document.hidden) return;
    drive.show(state);
    if (before?.driving !== state.driving || before?.mode !== state.mode) tellWho(state);
    if (!screenIs("drive")) return;
    showDash(state);
    showFigures(state);
    map.place(state.x, state.y, state.heading_rad, state.driving);
    strip.draw();
  });

function link(state, words) {
  document.body.dataset.link = state;
  byId("lost").hidden = state !== "lost";
  setText("link-text", words);
  if (state === "lost") setText("seat", "Not connected");
}

function tellWho({ mode, driving, pilot }) {
  if (byId("say").classList.contains("shown")) return;  // somebody reads what stands there
  const who = driving === "pilot" ? `${pilot} drives` : mode === "autonomous" ? "You have the wheel" : "Manual";
  setText("say", who);
}

let said = 0;
function say(level, text) {
  const words = { info: "", warning: "Warning: ", error: "Error: " }[level] ?? "";
  const [place, other] = level === "error" ? ["alarm", "say"] : ["say", "alarm"];
  setText(other, "");
  setText(place, words + text);
  byId(place).dataset.level = level;
  byId(place).classList.add("shown");
  clearTimeout(said);
  said = setTimeout(() => byId(place).classList.remove("shown"), SAID_MS);
}

// --- keys

function openHelp() {
  controls.letGo();
  byId("help").showModal();
}
byId("open-help").addEventListener("click", openHelp);

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || takesKeys(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") return openHelp();
  const presses = event.code === "Space" && event.target.closest?.("button, a, summary");
  if (presses || event.repeat && !screenIs("replay")) return;
  const keys = screenIs("drive") ? drive.keys : screenIs("replay") ? replay.keys : {};
  const act = keys[event.code];
  if (!act) return;
  event.preventDefault();
  act(event);
});
controls.gamepad.pressed = (action) => screenIs("drive") && drive[action]();

// --- screens

/** What a link says, whoever wrote it. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function route() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  const screen = ["drive", "teach", "replay"].includes(name) ? name : "drive";
  document.body.dataset.screen = screen;
  for (const one of ["drive", "teach", "replay"]) byId(`screen-${one}`).hidden = one !== screen;
  for (const anchor of document.querySelectorAll("nav a")) {
    if (anchor.dataset.to === screen) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  if (screen !== "drive") controls.letGo();
  hold();
  library.shown = screen === "teach";
  training.shown = screen === "teach";
  if (screen === "replay") replay.open(decoded(rest.join("/")));
  else replay.pause();
}
addEventListener("hashchange", route);

// --- a page that nobody sees drives nothing

function leaveSeat() {
  if (!drive.drives) return;
  left_seat = true;
  send({ type: "leave" });
}

document.addEventListener("visibilitychange", () => {
  hold();
  if (document.hidden) {
    controls.letGo();
    leaveSeat();
  } else if (left_seat) {
    left_seat = false;
    if (drive.drives || meter.state?.driver === null) send({ type: "take" });  // it may not yet know that it left
  }
});

// --- diagnostics

setInterval(() => {
  meter.rate = meter.drawn;
  meter.kilobytes = meter.bytes / 1000;
  meter.drawn = meter.bytes = 0;
  if (!drive.shows_diagnostics) return;
  const recent = latency.samples_ms.slice(-50);
  setText("diagnostics", [
    `key to picture ${plain(quantile(recent, 0.5))} ms (95 %: ${plain(quantile(recent, 0.95))}, n ${recent.length})`,
    `${meter.rate} pictures/s`, `${plain(meter.kilobytes)} kB/s`,
    `round trip ${plain(connection.round_trip_ms, 1)} ms`,
    `pilot ${plain(meter.state?.latency_ms, 1)} ms`, `frame ${meter.frame}`,
    `watchers ${meter.state?.watchers ?? "–"}`,
  ].join(" · "));
}, 1000);

setInterval(() => connection.is_open && !document.hidden && library.refresh(), RUNS_EVERY_MS);

/** For benchmarks and tests. */
window.ghostlap = {
  latency_ms: latency.samples_ms,
  get state() { return meter.state; },
  get frame() { return meter.frame; },
  get pictures() { return meter.pictures; },
  get pictures_per_s() { return meter.rate; },
};

route();
connection.start();
