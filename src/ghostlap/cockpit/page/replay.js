// Any recording frame by frame, with what a pilot would have steered beside what was steered.

import { byId, confirmed, fetchJson, fillSelect, setText } from "./dom.js";
import { clock, plain, signed } from "./numbers.js";
import { drawReplayStrip, rowAt } from "./replay_strip.js";

const ASK_AGAIN_MS = 700;
const NONE = { name: "", rows: [], columns: {}, every: 1, total: 0, predicted: null, from: null, to: null };

export class Replay {
  #say;
  #changed;
  #open = NONE;
  #at = 0;
  #playing = 0;
  #picture = "";
  #loading = false;
  #asked = 0;

  /** @param changed is called when recordings were cut. */
  constructor(say, changed) {
    this.#say = say;
    this.#changed = changed;
    const clicks = {
      "replay-play": () => this.#play(!this.#playing), "replay-back": () => this.#step(-1),
      "replay-forward": () => this.#step(1), "cut-from": () => this.#mark("from"),
      "cut-to": () => this.#mark("to"), cut: () => this.#cut(),
    };
    for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener("click", act);
    byId("scrub").addEventListener("input", ({ target }) => this.#go(Number(target.value)));
    byId("replay-camera").addEventListener("change", () => this.#go(this.#at));
    byId("replay-pilot").addEventListener("change", () => this.#predict());
    const strip = byId("replay-strip");
    new ResizeObserver(() => this.#drawStrip()).observe(strip);
    strip.addEventListener("pointerdown", (event) => {
      strip.setPointerCapture(event.pointerId);
      this.#go(rowAt(strip, event, this.#open.rows.length));
    });
    strip.addEventListener("pointermove", (event) => {
      if (event.buttons) this.#go(rowAt(strip, event, this.#open.rows.length));
    });
  }

  get keys() {
    const second = () => Math.max(1, Math.round(15 / this.#open.every));
    const by = (sign) => (event) => this.#step(sign * (event.shiftKey ? second() : 1));
    return {
      ArrowLeft: by(-1), ArrowRight: by(1), Space: () => this.#play(!this.#playing),
      Home: () => this.#go(0), End: () => this.#go(Infinity),
      BracketLeft: () => this.#mark("from"), BracketRight: () => this.#mark("to"),
    };
  }

  runs(runs) {
    fillSelect(byId("replay-pilot"), [["", "none"], ...runs.map(({ name }) => [name, name])]);
  }

  pause() {
    this.#play(false);
  }

  async open(name) {
    if (name === this.#open.name && name) return this.#drawStrip();
    this.pause();
    this.#open = { ...NONE, name };
    this.#picture = "";
    byId("replay-none").hidden = Boolean(name);
    byId("replay-body").hidden = !name;
    if (!name) return;
    setText("replay-name", name);
    setText("replay-facts", "reading …");
    try {
      const { columns, rows, every = 1, total = rows.length } = await fetchJson(`${address(name)}/rows`);
      if (this.#open.name !== name) return;
      const places = Object.fromEntries(columns.map((column, place) => [column, place]));
      Object.assign(this.#open, { rows, columns: places, every, total });
    } catch (error) {
      this.#say("error", error.message);
      setText("replay-facts", "cannot be read");
      return;
    }
    const { rows, every, total } = this.#open;
    const thinned = every > 1 ? `, each ${every}th shown` : "";
    setText("replay-facts", `${clock(this.#driven_s(), 0)} min, ${total} rows${thinned}`);
    byId("scrub").max = Math.max(0, rows.length - 1);
    this.#showMarks();
    this.#go(0);
    this.#predict();
  }

  #value(row, column) {
    return this.#open.rows[row]?.[this.#open.columns[column]];
  }

  /** Time that was driven: pauses between two rows do not count. */
  #driven_s() {
    let sum_s = 0;
    for (let row = 1; row < this.#open.rows.length; row += 1) {
      const step_s = this.#value(row, "time_s") - this.#value(row - 1, "time_s");
      if (step_s > 0 && step_s <= this.#open.every) sum_s += step_s;
    }
    return sum_s;
  }

  #step(by) {
    this.pause();
    this.#go(this.#at + by);
  }

  #go(row) {
    this.#at = Math.max(0, Math.min(this.#open.rows.length - 1, row));
    if (!this.#open.rows.length) return;
    byId("scrub").value = this.#at;
    byId("scrub").setAttribute("aria-valuetext", `frame ${this.#at + 1} of ${this.#open.rows.length}`);
    this.#showMoment();
    this.#drawStrip();
    this.#load();
  }

  #showMoment() {
    const at = this.#at, value = (column) => this.#value(at, column);
    const pilot = this.#open.predicted?.[at] ?? null;
    const driver = value("driver");
    setText("moment-frame", `${at * this.#open.every + 1}`);
    setText("moment-time", clock(value("time_s") - this.#value(0, "time_s"), 2));
    setText("moment-speed", plain(value("speed_mph"), 1, " mph"));
    setText("moment-throttle", signed(value("throttle")));
    setText("moment-steering", signed(value("steering"), 3));
    setText("moment-pilot", signed(pilot, 3));
    setText("moment-apart", pilot === null ? "–" : signed(pilot - value("steering"), 3));
    setText("replay-who", driver ? `${driver} drove` : "");
    byId("replay-who").hidden = !driver;
    byId("replay-who").dataset.who = driver ?? "none";
  }

  /** The picture where the scrubber stands now; what was passed on the way is never asked for. */
  async #load() {
    const url = () => `${address(this.#open.name)}/frames/${this.#at * this.#open.every}.jpg?camera=${byId("replay-camera").value}`;
    if (this.#loading) return;
    this.#loading = true;
    while (this.#open.rows.length && url() !== this.#picture) {
      const wanted = url();
      try {
        const answer = await fetch(wanted);
        if (!answer.ok) throw new Error(`no picture (${answer.status})`);
        const bitmap = await createImageBitmap(await answer.blob());
        const canvas = byId("replay-frame");
        canvas.width = bitmap.width;
        canvas.height = bitmap.height;
        canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
        bitmap.close();
      } catch {
        byId("replay-frame").getContext("2d").clearRect(0, 0, 640, 640);
      }
      this.#picture = wanted;
    }
    this.#loading = false;
  }

  #play(on) {
    clearTimeout(this.#playing);
    this.#playing = 0;
    if (on && this.#open.rows.length) {
      if (this.#at >= this.#open.rows.length - 1) this.#go(0);
      this.#next();
    }
    byId("replay-play").setAttribute("aria-pressed", String(Boolean(this.#playing)));
    setText("replay-play-text", this.#playing ? "Pause" : "Play");
    byId("replay-play-icon").setAttribute("href", this.#playing ? "#i-pause" : "#i-play");
  }

  /** At the pace of the drive; a gap in a recording is not waited for. */
  #next() {
    const gap_s = this.#value(this.#at + 1, "time_s") - this.#value(this.#at, "time_s");
    const wait_ms = 1000 * Math.max(0.02, Math.min(1, gap_s || 0.07));
    this.#playing = setTimeout(() => {
      this.#go(this.#at + 1);
      if (this.#at < this.#open.rows.length - 1) this.#next();
      else this.pause();
    }, wait_ms);
  }

  async #predict() {
    const run = byId("replay-pilot").value, { name } = this.#open;
    const asked = ++this.#asked;
    this.#open.predicted = null;
    this.#show();
    if (!run || !name) return;
    setText("moment-pilot", "…");
    try {
      while (asked === this.#asked) {
        const answer = await fetchJson(`${address(name)}/predictions?run=${encodeURIComponent(run)}`);
        if (asked !== this.#asked) return;
        if (answer.steering) {
          this.#open.predicted = answer.steering;
          this.#show();
          return;
        }
        setText("moment-pilot", progress(answer.progress));
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
      }
    } catch (error) {
      this.#say("error", error.message);
    }
  }

  #show() {
    if (!this.#open.rows.length) return;
    this.#showMoment();
    this.#drawStrip();
  }

  #mark(end) {
    if (!this.#open.rows.length) return;
    this.#open[end] = this.#at;
    this.#showMarks();
    this.#drawStrip();
  }

  #showMarks() {
    const { from, to, every } = this.#open;
    const whole = from !== null && to !== null && from <= to;
    byId("cut").disabled = !whole;
    setText("cut-shown", whole
      ? `Rows ${from * every + 1} to ${this.#lastRow() + 1}: ${clock(this.#value(to, "time_s") - this.#value(from, "time_s"), 1)} min`
      : from !== null && to !== null ? "The stretch ends before it begins."
      : from !== null ? `From row ${from * every + 1}. Go on, then press To here.`
      : "Mark a stretch to cut it out. The original goes to the trash.");
  }

  async #cut() {
    const { name, from, every } = this.#open;
    if (!await confirmed(`Cut rows ${from * every + 1} to ${this.#lastRow() + 1} out of ${name}? The original goes to the trash.`, "Cut out")) return;
    try {
      const made = await fetchJson(`${address(name)}/cut`, { from: from * every, to: this.#lastRow() });
      this.#say("info", `${made.name ?? name} is without that stretch; the original is in the trash.`);
      this.#open = NONE;
      location.hash = made.name ? `#replay/${encodeURIComponent(made.name)}` : "#teach";
      this.#changed();
    } catch (error) {
      this.#say("error", error.message);
    }
  }

  /** Of the marked stretch, up to where the next shown row begins. */
  #lastRow() {
    const { to, every, total } = this.#open;
    return Math.min(total, (to + 1) * every) - 1;
  }

  #drawStrip() {
    drawReplayStrip(byId("replay-strip"), this.#open, this.#at);
  }
}

const address = (name) => `/api/recordings/${encodeURIComponent(name)}`;
const progress = (share) => typeof share === "number" ? `${Math.round(100 * share)} %` : "…";
