// Training on chosen recordings, and its curve while it runs.

import { colour, polyline, sheet } from "./canvas.js";
import { byId, fetchJson, fillSelect, make, setText } from "./dom.js";

const LOOK_MS = 1000;
const REST_MS = 5000;
const LINES = {
  loss: { colour: "--pilot", dash: [], width: 2 },
  val_loss: { colour: "--person", dash: [6, 4], width: 2 },
};
const UNDER_WAY = new Set(["waiting", "starting", "running", "training", "stopping"]);

export class Training {
  #say;
  #drive_with;
  #chosen = new Set();
  #shown = false;
  #later = 0;
  #cards = new Map();

  constructor(say, drive_with) {
    this.#say = say;
    this.#drive_with = drive_with;
    byId("train-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#train();
    });
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.#redraw());
    addEventListener("resize", () => this.#redraw());
    this.#tellChosen();
  }

  set shown(shown) {
    this.#shown = shown;
    if (shown) this.#look();
  }

  has(name) {
    return this.#chosen.has(name);
  }

  choose(name, chosen) {
    if (chosen) this.#chosen.add(name);
    else this.#chosen.delete(name);
    this.#tellChosen();
  }

  /** The recordings that there are: others cannot be chosen any more. */
  recordings(names) {
    this.#chosen = new Set(names.filter((name) => this.#chosen.has(name)));
    this.#tellChosen();
  }

  runs(runs) {
    fillSelect(byId("init"), [["", "a new network"], ...runs.map(({ name }) => [name, name])]);
  }

  #tellChosen() {
    const count = this.#chosen.size;
    setText("chosen", count === 0 ? "Choose recordings to learn from."
      : `Learns from ${count === 1 ? [...this.#chosen][0] : `${count} recordings`}.`);
    byId("train").disabled = count === 0;
  }

  async #train() {
    byId("train").disabled = true;
    try {
      await fetchJson("/api/train", {
        recordings: [...this.#chosen], epochs: Number(byId("epochs").value), init: byId("init").value || null,
      });
      this.#say("info", "The training begins.");
    } catch (error) {
      this.#say("error", error.message);
    }
    this.#tellChosen();
    await this.#look();
  }

  async #look() {
    clearTimeout(this.#later);
    let jobs = [];
    try {
      ({ jobs } = await fetchJson("/api/train"));
      this.#draw(jobs);
    } catch (error) {
      this.#say("error", error.message);
    }
    const busy = jobs.some(({ state }) => UNDER_WAY.has(state));
    if (this.#shown) this.#later = setTimeout(() => this.#look(), busy ? LOOK_MS : REST_MS);
  }

  #draw(jobs) {
    for (const job of jobs) {
      const card = this.#cards.get(job.id) ?? this.#newCard(job);
      card.job = job;
      showJob(card);
    }
    for (const [id, { element }] of this.#cards) {
      if (jobs.some((job) => job.id === id)) continue;
      element.remove();
      this.#cards.delete(id);
    }
  }

  #redraw() {
    for (const card of this.#cards.values()) showJob(card);
  }

  #newCard(job) {
    const card = {
      job,
      title: make("h3"), state: make("p", { className: "unit", role: "status" }),
      curve: make("canvas", { className: "curve", role: "img" }),
      stop: make("button", { type: "button", textContent: "Stop", onclick: () => this.#stop(job.id) }),
      drive: make("button", {
        type: "button", className: "main-button", textContent: "Drive with it",
        onclick: () => this.#drive_with(card.job.run),
      }),
    };
    const legend = make("p", { className: "legend unit", textContent: "full line: training loss · dashed: validation loss" });
    card.element = make("li", { className: "job", "data-job": job.id },
      make("header", {}, card.title, card.stop, card.drive), card.state, card.curve, legend);
    byId("jobs").prepend(card.element);
    this.#cards.set(job.id, card);
    return card;
  }

  async #stop(id) {
    try {
      await fetchJson(`/api/train/${encodeURIComponent(id)}/stop`, {});
    } catch (error) {
      this.#say("error", error.message);
    }
    await this.#look();
  }
}

function showJob({ job, element, title, state, curve, stop, drive }) {
  const { epoch, epochs, history } = job;
  const last = history.at(-1);
  const busy = UNDER_WAY.has(job.state);
  element.dataset.state = job.state;
  title.textContent = job.run ?? job.id;
  const losses = last ? `, loss ${last[1].toPrecision(3)}${last[2] == null ? "" : `, validation ${last[2].toPrecision(3)}`}` : "";
  const words = `${job.state}, epoch ${epoch ?? 0} of ${epochs}${losses}${job.message ? `. ${job.message}` : ""}`;
  if (state.textContent !== words) state.textContent = words;
  stop.hidden = !busy;
  drive.hidden = busy || !job.run || job.state === "failed";
  curve.setAttribute("aria-label", `Loss after each epoch${losses}`);
  drawCurve(curve, history, epochs);
}

function drawCurve(canvas, history, epochs) {
  const drawing = sheet(canvas);
  if (!drawing) return;
  const { context, width, height } = drawing;
  const values = history.flatMap(([, loss, val_loss]) => [loss, val_loss]).filter(Number.isFinite);
  const most = Math.max(...values, 1e-9) * 1.1;
  const first = 34, bottom = height - 16;
  const x = (epoch) => first + ((width - first - 8) * (epoch - 1)) / Math.max(1, epochs - 1);
  const y = (loss) => bottom - (bottom - 6) * (loss / most);
  context.strokeStyle = colour("--grid");
  context.fillStyle = colour("--faint");
  context.lineWidth = 1;
  context.textBaseline = "middle";
  for (const share of [0, 0.5, 1]) {
    const at = Math.round(y((share * most) / 1.1)) + 0.5;
    context.beginPath();
    context.moveTo(first, at);
    context.lineTo(width, at);
    context.stroke();
    context.textAlign = "right";
    if (values.length) context.fillText(((share * most) / 1.1).toPrecision(2), first - 4, at);
  }
  context.textBaseline = "bottom";
  context.textAlign = "left";
  context.fillText(history.length ? "epoch 1" : "waiting for the first epoch", first, height);
  context.textAlign = "right";
  if (epochs > 1) context.fillText(String(epochs), width - 2, height);
  for (const [column, name] of [[1, "loss"], [2, "val_loss"]]) {
    const points = history.filter((row) => Number.isFinite(row[column])).map((row) => [x(row[0]), y(row[column])]);
    polyline(context, points, LINES[name]);
    context.fillStyle = colour(LINES[name].colour);
    for (const [at_x, at_y] of points) {
      context.beginPath();
      if (column === 1) context.arc(at_x, at_y, 3, 0, 2 * Math.PI);
      else context.rect(at_x - 3, at_y - 3, 6, 6);
      context.fill();
    }
  }
}
