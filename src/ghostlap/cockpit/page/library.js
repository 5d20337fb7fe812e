// Recordings: what they show, how long they are, what the doctor says, and the trash.

import { byId, confirmed, fetchJson, icon, make, setText } from "./dom.js";
import { clock } from "./numbers.js";

const CHECKING_MS = 2000;

export class Library {
  #say;
  #training;
  #runs_known;
  #shown = false;
  #drawn = "";
  #later = 0;

  /** @param runs_known is called with the run folders whenever they were asked for. */
  constructor(say, training, runs_known) {
    this.#say = say;
    this.#training = training;
    this.#runs_known = runs_known;
    byId("empty-trash").addEventListener("click", () => this.#emptyTrash());
  }

  set shown(shown) {
    this.#shown = shown;
    if (shown) this.refresh();
  }

  async refresh() {
    clearTimeout(this.#later);
    let library;
    try {
      library = await fetchJson("/api/library");
    } catch (error) {
      if (this.#shown) this.#say("error", error.message);
      return;
    }
    this.#runs_known(library.runs);
    const text = JSON.stringify(library);
    if (text !== this.#drawn) this.#draw(library);
    this.#drawn = text;
    const checking = library.recordings.some(({ verdict }) => verdict === null);
    if (this.#shown && checking) this.#later = setTimeout(() => this.refresh(), CHECKING_MS);
  }

  #draw({ recordings, trash, free_gb }) {
    const focused = document.activeElement?.dataset?.focus;
    byId("recordings").replaceChildren(...recordings.map((one) => this.#card(one)));
    byId("no-recordings").hidden = recordings.length > 0;
    setText("disk", `${free_gb.toFixed(1)} GB free`);
    setText("trash-count", `(${trash.length})`);
    byId("trash").hidden = trash.length === 0;
    byId("trash-list").replaceChildren(...trash.map((one) => this.#trashed(nameOf(one))));
    this.#training.recordings(recordings.map(({ name }) => name));
    if (focused) document.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  #card(recording) {
    const { name, rows, seconds, thumbnail, kind } = recording;
    const choose = make("input", {
      type: "checkbox", checked: this.#training.has(name), "data-focus": `choose ${name}`,
      "aria-label": `Learn from ${name}`,
      onchange: ({ target }) => this.#training.choose(name, target.checked),
    });
    const picture = thumbnail
      ? make("img", { src: thumbnail, alt: "", loading: "lazy", width: 160, height: 80 })
      : make("span", { className: "no-picture", textContent: "no picture" });
    const watch = make("a", {
      href: `#replay/${encodeURIComponent(name)}`, className: "button", textContent: "Replay",
      "aria-label": `Replay ${name}`, "data-focus": `replay ${name}`,
    });
    const drop = make("button", {
      type: "button", textContent: "To the trash", "aria-label": `Move ${name} to the trash`,
      "data-focus": `trash ${name}`, onclick: () => this.#post(name, "trash", "is in the trash"),
    });
    return make("li", { className: "card", "data-name": name },
      make("label", { className: "choose" }, choose, picture),
      make("div", { className: "about" },
        make("h3", { textContent: name }),
        make("p", { className: "unit", textContent: `${clock(seconds, 0)} min, ${rows} rows${kind === "drive" ? ", a drive" : ""}` }),
        verdict(recording)),
      make("div", { className: "acts" }, watch, drop));
  }

  #trashed(name) {
    return make("li", {}, make("span", { textContent: name }), make("button", {
      type: "button", textContent: "Restore", "aria-label": `Restore ${name}`,
      "data-focus": `restore ${name}`, onclick: () => this.#post(name, "restore", "is back"),
    }));
  }

  async #post(name, what, done) {
    try {
      await fetchJson(`/api/recordings/${encodeURIComponent(name)}/${what}`, {});
      this.#say("info", `${name} ${done}.`);
    } catch (error) {
      this.#say("error", error.message);
    }
    await this.refresh();
  }

  async #emptyTrash() {
    if (!await confirmed("Delete everything in the trash? This cannot be undone.", "Delete for good")) return;
    try {
      await fetchJson("/api/trash/empty", {});
      this.#say("info", "The trash is empty.");
    } catch (error) {
      this.#say("error", error.message);
    }
    await this.refresh();
  }
}

const nameOf = (one) => typeof one === "string" ? one : one.name;

/** What the doctor found, as a sign and in words. */
function verdict({ verdict: found, complete }) {
  const many = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
  const [level, sign, text] = complete === false ? ["none", "clock", "still being recorded"]
    : !found ? ["none", "clock", "the doctor is looking"]
    : found.errors === null ? ["none", "warning", "not examined"]
    : found.errors ? ["bad", "cross", many(found.errors, "error")]
    : found.warnings ? ["fair", "warning", many(found.warnings, "warning")]
    : ["good", "check", "healthy"];
  return make("p", { className: `verdict ${level}` }, icon(sign), text);
}
