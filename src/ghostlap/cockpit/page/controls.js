// Hands on the wheel: what keyboard, mouse, touch and gamepad hold becomes inputs to the server.

import { watchGamepad } from "./gamepad.js";
import { watchPads } from "./pads.js";
import { takesKeys } from "./dom.js";

const REPEAT_MS = 100;
const ANALOGUE_MS = 30;

const KEYS = {
  ArrowLeft: "left", KeyA: "left", ArrowRight: "right", KeyD: "right",
  ArrowUp: "up", KeyW: "up", ArrowDown: "down", KeyS: "down",
};

export class Controls {
  #connection;
  #latency;
  #may_drive;
  #keys = new Map();
  #analogue = new Map();
  #number = Date.now();  // beyond what any page before this one has counted to
  #sent_ms = 0;
  #due = 0;

  /** @param may_drive says whether keys drive now: the screen is open and no dialog is. */
  constructor(connection, latency, may_drive) {
    this.#connection = connection;
    this.#latency = latency;
    this.#may_drive = may_drive;
    addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("keyup", (event) => this.#released(event));
    addEventListener("blur", () => this.letGo());
    watchPads((source, control, at_ms) => this.#hold(source, control, at_ms));
    this.gamepad = watchGamepad((source, control, at_ms) => this.#hold(source, control, at_ms));
    setInterval(() => this.#repeat(), REPEAT_MS);
  }

  get held() {
    return this.#keys.size > 0 || this.#analogue.size > 0;
  }

  /** Hands off, said at once. */
  letGo() {
    if (!this.held) return;
    this.#keys.clear();
    this.#analogue.clear();
    this.#send(performance.now());
  }

  /** Both ways at once: hands on the wheel that do not turn it, which takes over from a pilot. */
  touchWheel() {
    this.#post({ keys: ["left", "right"] }, performance.now());
    setTimeout(() => this.#send(null), REPEAT_MS);
  }

  #pressed(event) {
    const key = KEYS[event.code];
    if (!key || event.ctrlKey || event.metaKey || event.altKey) return;
    if (takesKeys(event.target) || !this.#may_drive()) return;
    event.preventDefault();
    if (event.repeat || this.#keys.has(event.code)) return;
    this.#keys.set(event.code, key);
    this.#send(event.timeStamp);
  }

  #released(event) {
    if (this.#keys.delete(event.code)) this.#send(event.timeStamp);
  }

  /** An analogue source holds {steering, throttle}, or nothing any more (null). */
  #hold(source, control, at_ms) {
    if (control && this.#may_drive()) {
      this.#analogue.set(source, control);
    } else if (!this.#analogue.delete(source)) {
      return;
    }
    clearTimeout(this.#due);
    const wait_ms = this.#sent_ms + ANALOGUE_MS - performance.now();
    if (wait_ms <= 0 || !control) this.#send(at_ms);
    else this.#due = setTimeout(() => this.#send(at_ms), wait_ms);
  }

  #repeat() {
    if (this.held && performance.now() - this.#sent_ms >= REPEAT_MS / 2) this.#send(null);
  }

  #send(at_ms) {
    const analogue = [...this.#analogue.values()];
    if (this.#keys.size > 0 || analogue.length === 0) {
      this.#post({ keys: [...new Set(this.#keys.values())] }, at_ms);
    } else {
      const sum = (name) => analogue.reduce((total, control) => total + control[name], 0);
      const clipped = (value) => Math.max(-1, Math.min(1, value));
      this.#post({ steering: clipped(sum("steering")), throttle: clipped(sum("throttle")) }, at_ms);
    }
  }

  /** @param at_ms when a person did it; null for repeating what is held. */
  #post(control, at_ms) {
    this.#number += 1;
    this.#sent_ms = performance.now();
    if (at_ms !== null && this.#connection.is_open) this.#latency.sent(this.#number, at_ms);
    this.#connection.send({ type: "input", n: this.#number, ...control });
  }
}
