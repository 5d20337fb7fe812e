// From a key to the picture that shows its effect, measured where a person sees it.

const MOST_SAMPLES = 2000;
const MOST_WAITING = 50;
const REMEMBERED_FRAMES = 60;
const FORGOTTEN_MS = 5000;

export class Latency {
  samples_ms = [];
  #waiting = [];
  #drawn = [];

  /** An input was sent; `at_ms` is when its event happened. */
  sent(number, at_ms) {
    this.#waiting.push({ number, at_ms, frame: null });
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
  }

  /** The server says which input the car had at which frame. */
  acknowledged(number, frame) {
    for (const one of this.#waiting) {
      if (one.frame === null && number >= one.number) one.frame = frame;
    }
    this.#settle();
  }

  /** A frame stands on the screen. */
  drawn(frame, at_ms) {
    this.#drawn.push({ frame, at_ms });
    if (this.#drawn.length > REMEMBERED_FRAMES) this.#drawn.shift();
    this.#settle();
  }

  forget() {
    this.#waiting = [];
    this.#drawn = [];
  }

  #settle() {
    const now_ms = performance.now();
    this.#waiting = this.#waiting.filter((one) => {
      if (one.frame === null) return now_ms - one.at_ms < FORGOTTEN_MS;
      const shown = this.#drawn.find(({ frame, at_ms }) => frame >= one.frame && at_ms >= one.at_ms);
      if (!shown) return true;
      this.samples_ms.push(shown.at_ms - one.at_ms);
      if (this.samples_ms.length > MOST_SAMPLES) this.samples_ms.shift();
      return false;
    });
  }
}
