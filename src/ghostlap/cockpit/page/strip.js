// Who steered how much over the last 20 seconds.

import { LINES, colour, polyline, sheet, steeringGrid, steeringScale } from "./canvas.js";

const SHOWN_S = 20;
const GAP_S = 3;
const TICK_S = 0.25;
const BAND_PX = 5;
const LABELS_PX = 15;

export class Strip {
  #canvas;
  #samples = [];

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  add(state) {
    const last = this.#samples.at(-1);
    if (last && state.t < last.time_s) this.#samples = [];  // another drive
    if (last && state.t === last.time_s) return;
    const person = state.driving === "person" ? state.steering : null;
    this.#samples.push({
      time_s: state.t, driving: state.driving,
      person, pilot: state.pilot_steering, expert: state.expert_steering,
    });
    const first = this.#samples.findIndex(({ time_s }) => time_s >= state.t - SHOWN_S - 1);
    if (first > 0) this.#samples.splice(0, first);
  }

  draw() {
    const drawing = sheet(this.#canvas);
    if (!drawing) return;
    const { context, width, height } = drawing;
    const bottom = height - LABELS_PX - BAND_PX - 3;
    let largest = 0;
    for (const sample of this.#samples) {
      for (const who of Object.keys(LINES)) largest = Math.max(largest, Math.abs(sample[who] ?? 0));
    }
    const scale = steeringScale(largest);
    const now_s = this.#samples.at(-1)?.time_s ?? 0;
    const x = (time_s) => width - ((now_s - time_s) / SHOWN_S) * width;
    const y = (steering) => bottom / 2 - (Math.max(-1, Math.min(1, steering / scale)) * (bottom - 4)) / 2;
    const phase_px = ((this.#samples[0]?.time_s ?? 0) * width) / SHOWN_S;
    this.#times(context, width, height, bottom);
    steeringGrid(context, width, 0, bottom, scale);
    for (const who of ["expert", "pilot", "person"]) {
      polyline(context, this.#points(who, x, y), LINES[who], phase_px);
    }
    this.#band(context, x, bottom + 3);
  }

  #points(who, x, y) {
    const points = [];
    let before_s = -Infinity;
    for (const sample of this.#samples) {
      const value = sample[who];
      if (sample.time_s - before_s > GAP_S) points.push(null);
      before_s = sample.time_s;
      points.push(typeof value === "number" ? [x(sample.time_s), y(value)] : null);
    }
    return points;
  }

  #times(context, width, height, bottom) {
    context.textBaseline = "bottom";
    context.lineWidth = 1;
    context.strokeStyle = colour("--grid");
    context.fillStyle = colour("--faint");
    for (let ago_s = 0; ago_s <= SHOWN_S; ago_s += 5) {
      const at = Math.round(width * (1 - ago_s / SHOWN_S));
      context.textAlign = ago_s === 0 ? "right" : ago_s === SHOWN_S ? "left" : "center";
      context.fillText(ago_s ? `${ago_s} s ago` : "now", at, height);
      if (ago_s % SHOWN_S === 0) continue;
      context.beginPath();
      context.moveTo(at + 0.5, 0);
      context.lineTo(at + 0.5, bottom);
      context.stroke();
    }
  }

  /** Who drove: a full band for a person, a thin one with ticks for a pilot. */
  #band(context, x, top) {
    for (let k = 1; k < this.#samples.length; k += 1) {
      const from = x(this.#samples[k - 1].time_s), to = x(this.#samples[k].time_s);
      const person = this.#samples[k].driving === "person";
      context.fillStyle = colour(person ? "--person" : "--pilot");
      if (person) {
        context.fillRect(from, top, to - from + 0.5, BAND_PX);
      } else {
        context.fillRect(from, top + BAND_PX - 2, to - from + 0.5, 2);
        const ticks = (time_s) => Math.floor(time_s / TICK_S);
        if (ticks(this.#samples[k].time_s) > ticks(this.#samples[k - 1].time_s)) {
          context.fillRect(to, top, 2, BAND_PX);
        }
      }
    }
  }
}
