// The drive: its buttons, keys and settings, and what the state says about them.

import { byId, fillSelect, icon, make, setText } from "./dom.js";
import { whatToPress, whatWasMeasured } from "./hint.js";
import { clock } from "./numbers.js";

const LIMITS_MPH = [1, 30];
const RANDOM = "random:";
const LINES = { left_lane: "left lane", centre: "centre", right_lane: "right lane" };

/** What can be asked of the server, by button, key or gamepad; `ask` sends it. */
export class Drive {
  #send;
  #say;
  #controls;
  #state = null;
  #measured = new Map();
  #hello = null;
  #shown = { diagnostics: false, cameras: true };

  constructor(send, say, controls) {
    this.#send = send;
    this.#say = say;
    this.#controls = controls;
    const buttons = {
      record: () => this.record(), mode: () => this.mode(), "wheel-take": () => this.wheel(),
      reset: () => this.reset(), pause: () => this.pause(), saliency: () => this.saliency(),
      more: () => document.querySelector(".dash").scrollIntoView(),
      "take-seat": () => send({ type: "take" }), "open-road": () => this.#openRoad(),
    };
    for (const [id, act] of Object.entries(buttons)) {
      byId(id).addEventListener("click", (event) => {
        act();
        if (event.detail > 0) byId("view").focus({ preventScroll: true });  // by mouse: keys drive on
      });
    }
    byId("pilot").addEventListener("change", ({ target }) => send({ type: "pilot", run: target.value }));
    byId("line").addEventListener("change", ({ target }) => this.#ask({ type: "line", line: target.value }));
    byId("limit").addEventListener("input", ({ target }) => this.#limit(Number(target.value)));
    byId("road").addEventListener("close", () => this.#closeRoad());
    for (const id of ["conditions", "track"]) {
      byId(id).addEventListener("change", () => this.#numbersMatter());
    }
  }

  get keys() {
    return {
      KeyR: () => this.record(), Space: () => this.mode(), Backspace: () => this.reset(),
      KeyT: () => this.wheel(true), KeyH: () => this.wheel(false), KeyP: () => this.pause(),
      KeyO: () => this.saliency(), KeyL: () => this.#toggle("diagnostics"),
      KeyC: () => this.#toggle("cameras"), Minus: () => this.#nudgeLimit(-1),
      NumpadSubtract: () => this.#nudgeLimit(-1), Equal: () => this.#nudgeLimit(1),
      NumpadAdd: () => this.#nudgeLimit(1), Comma: () => this.#nudgeLine(-1),
      Period: () => this.#nudgeLine(1),
    };
  }

  get drives() {
    return Boolean(this.#hello) && this.#hello.driver === this.#hello.you;
  }

  get shows_diagnostics() {
    return this.#shown.diagnostics;
  }

  record() { this.#ask({ type: "record", on: !this.#state?.recording }); }
  reset() { this.#ask({ type: "reset" }); }
  pause() { this.#ask({ type: "pause", on: !this.#state?.paused }); }
  saliency() { this.#ask({ type: "saliency", on: !this.#state?.saliency }); }
  mode() {
    this.#ask({ type: "mode", mode: this.#state?.mode === "autonomous" ? "manual" : "autonomous" });
  }

  /** @param take true takes the wheel, false hands it back; by itself what is not so now. */
  wheel(take = this.#state?.driving === "pilot") {
    if (this.#state?.mode !== "autonomous") {
      this.#say("info", "Nobody to take over from: the car is in manual mode.");
    } else if (!take) {
      this.#ask({ type: "mode", mode: "autonomous" });
    } else if (this.drives) {
      this.#controls.touchWheel();
    } else {
      this.#watching();
    }
  }

  lost() {
    this.#hello = null;
    this.#state = null;
    this.#enable();
  }

  hello(hello) {
    this.#hello = hello;
    document.body.dataset.source = hello.source;
    byId("open-road").hidden = hello.tracks.length === 0;
    fillSelect(byId("track"), [...hello.tracks.map((track) => [track, track]), [RANDOM, "a random road"]]);
    if (!this.#shown.cameras) this.#send({ type: "cameras", on: false });
    this.driver(hello.driver);
  }

  driver(driver) {
    if (!this.#hello) return;
    this.#hello.driver = driver;
    const other = driver !== null && !this.drives;
    setText("seat", this.drives ? "You have the seat" : other ? "You watch" : "The seat is free");
    byId("take-seat").hidden = this.drives;
    this.#enable();
  }

  runs(runs) {
    const named = runs.map(({ name }) => [name, name]);
    fillSelect(byId("pilot"), [["", "none"], ...named], this.#state?.pilot ?? "");
    this.#measured = new Map(runs.map(({ name, measured }) => [name, measured]));
  }

  show(state) {
    this.#state = state;
    setText("hint", whatToPress(state, this.drives));
    setText("measured", whatWasMeasured(state, this.#measured.get(state.pilot)));
    const pilot_drives = state.driving === "pilot";
    const autonomous = state.mode === "autonomous";
    const { recording } = state;
    press("record", Boolean(recording), recording ? "Stop" : "Record", recording ? "stop" : "record");
    label("mode", autonomous ? "Manual" : "Autonomous", autonomous ? "person" : "pilot");
    const take = pilot_drives || !autonomous;
    label("wheel-take", take ? "Take the wheel" : "Hand back", take ? "wheel" : "pilot", take ? "T" : "H");
    byId("wheel-take").classList.toggle("asks", !take);
    press("pause", state.paused, state.paused ? "Go on" : "Pause", state.paused ? "play" : "pause");
    press("saliency", state.saliency);
    byId("rec").hidden = !recording;
    if (recording) setText("rec-text", `Recording ${clock(recording.seconds, 0)}, ${recording.rows} rows`);
    this.#showWho(state);
    fillPilot(state.pilot);
    if (document.activeElement !== byId("limit")) byId("limit").value = state.speed_limit_mph;
    setText("limit-value", `${Math.round(state.speed_limit_mph)} mph`);
    if (document.activeElement !== byId("line")) byId("line").value = state.line;
    setText("road-shown", roadOf(state));
    setText("map-name", `${state.track ?? ""}${state.direction === -1 ? ", the other way round" : ""}`);
    this.#enable();
  }

  #showWho(state) {
    const who = state.paused ? "none" : state.driving;
    const words = {
      none: "Paused",
      person: state.mode === "autonomous" ? "You took the wheel" : "You drive",
      pilot: `${state.pilot ?? "Pilot"} drives`,
    };
    if (who === "person" && !this.drives) words.person = "A person drives";
    if (who !== "none" && state.line !== "centre") words[who] += `, ${LINES[state.line] ?? "changing lines"}`;
    byId("who").dataset.who = who;
    byId("who-icon").setAttribute("href", `#i-${{ none: "pause", pilot: "pilot" }[who] ?? "person"}`);
    setText("who-text", words[who]);
  }

  #ask(message) {
    if (this.drives) this.#send(message);
    else this.#watching();
  }

  #watching() {
    if (this.#hello) this.#say("info", "You watch. Take the seat to drive.");
  }

  #limit(mph) {
    const [least, most] = LIMITS_MPH;
    this.#ask({ type: "speed_limit", mph: Math.max(least, Math.min(most, mph)) });
  }

  #nudgeLimit(by_mph) {
    if (this.#state) this.#limit(Math.round(this.#state.speed_limit_mph) + by_mph);
  }

  /** A line further to the right, or with -1 to the left. */
  #nudgeLine(by) {
    const lines = Object.keys(LINES);
    const line = lines[lines.indexOf(this.#state?.line) + by];
    if (line) this.#ask({ type: "line", line });
  }

  #toggle(what) {
    this.#shown[what] = !this.#shown[what];
    byId("diagnostics").hidden = !this.#shown.diagnostics;
    document.body.classList.toggle("no-cameras", !this.#shown.cameras);
    if (what === "cameras") this.#ask({ type: "cameras", on: this.#shown.cameras });
  }

  #enable() {
    const drives = this.drives && this.#state !== null;
    const may = drives && this.#hello.source === "sim";  // Udacity's car has buttons of its own
    const { pilot = null, mode } = this.#state ?? {};
    for (const id of ["record", "reset", "pause", "pilot", "open-road"]) {
      byId(id).disabled = !may;
    }
    byId("limit").disabled = byId("line").disabled = !drives;
    byId("mode").disabled = !may || (pilot === null && mode !== "autonomous");
    byId("wheel-take").disabled = !may || mode !== "autonomous";
    byId("saliency").disabled = !drives || pilot === null;
  }

  #openRoad() {
    const { track, direction, conditions } = this.#state ?? {};
    if (!track) return;
    const [kind, seed] = String(conditions).split(" ");  // "fixed", or "seed 3"
    const random = track.startsWith(RANDOM);
    byId("track").value = random ? RANDOM : track;
    if (random) byId("road-number").value = track.slice(RANDOM.length);
    byId("direction").value = String(direction ?? 1);
    byId("conditions").value = kind;
    if (seed) byId("seed").value = seed;
    this.#numbersMatter();
    byId("road").returnValue = "cancel";
    byId("road").showModal();
  }

  #numbersMatter() {
    byId("seed").disabled = byId("conditions").value === "fixed";
    byId("number-row").hidden = byId("track").value !== RANDOM;
  }

  #closeRoad() {
    if (byId("road").returnValue !== "go") return;
    const chosen = byId("track").value;
    const track = chosen === RANDOM ? `${RANDOM}${Math.trunc(Number(byId("road-number").value))}` : chosen;
    this.#ask({
      type: "track", track, conditions: byId("conditions").value,
      seed: Number(byId("seed").value) || 0, direction: Number(byId("direction").value),
    });
  }
}

function label(id, text, symbol, key) {
  const button = byId(id);
  const [drawing, words, hint] = button.children;
  if (words.textContent !== text) {
    words.textContent = text;
    drawing.replaceWith(icon(symbol));
    if (key) {
      hint.textContent = key;
      button.setAttribute("aria-keyshortcuts", key);
    }
  }
}

function press(id, pressed, text, symbol) {
  byId(id).setAttribute("aria-pressed", String(Boolean(pressed)));
  if (text) label(id, text, symbol);
}

/** The pilot that drives is shown even where its run folder came after the list. */
function fillPilot(pilot) {
  const select = byId("pilot");
  if (document.activeElement === select || select.value === (pilot ?? "")) return;
  if (pilot && ![...select.options].some(({ value }) => value === pilot)) {
    select.append(make("option", { value: pilot, textContent: pilot }));
  }
  select.value = pilot ?? "";
}

function roadOf({ track, direction, conditions }) {
  const light = !conditions || conditions === "fixed" ? "" : `, light ${conditions}`;
  return `${track ?? "–"}${direction === -1 ? " reversed" : ""}${light}`;
}
