// Pictures on canvases: always the newest, never a queue.

/** Draws the newest of the pictures that it is offered; what comes while one is decoded replaces it. */
export class Picture {
  #canvas;
  #context;
  #waiting = null;
  #busy = false;
  #held = false;

  /** @param drawn called with each picture once it stands on the canvas. */
  constructor(canvas, drawn = () => {}) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.drawn = drawn;
  }

  offer(picture) {
    this.#waiting = picture;
    this.#draw();
  }

  /** While held nothing is drawn, nor acknowledged: a page that nobody sees gets no pictures. */
  set held(held) {
    this.#held = held;
    this.#draw();
  }

  forget() {
    this.#waiting = null;
  }

  async #draw() {
    if (this.#busy || this.#held || !this.#waiting) return;
    const picture = this.#waiting;
    this.#waiting = null;
    this.#busy = true;
    try {
      const bitmap = await createImageBitmap(picture.jpeg);
      if (this.#canvas.width !== bitmap.width || this.#canvas.height !== bitmap.height) {
        this.#canvas.width = bitmap.width;
        this.#canvas.height = bitmap.height;
      }
      this.#context.drawImage(bitmap, 0, 0);
      bitmap.close();
    } catch {
      // A damaged picture is left out; the next one comes in a moment.
    }
    this.#busy = false;
    this.drawn(picture);
    this.#draw();
  }
}
