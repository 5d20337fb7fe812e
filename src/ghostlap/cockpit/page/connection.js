// The websocket to the server: comes back by itself, tells pictures from messages.

const RETRY_MS = [200, 500, 1000, 2000];
const PING_MS = 2000;
const SILENCE_MS = 8000;
const HEADER_BYTES = 13;

/** What the bytes of a picture message say: kind, number, server time and the JPEG. */
export function readPicture(buffer) {
  if (buffer.byteLength <= HEADER_BYTES) return null;
  const head = new DataView(buffer);
  return {
    kind: head.getUint8(0),
    number: head.getUint32(1, true),
    time_s: head.getFloat64(5, true),
    jpeg: new Blob([new Uint8Array(buffer, HEADER_BYTES)], { type: "image/jpeg" }),
  };
}

/** Tells listeners of "open", "lost", "picture", and of each type of message by its name. */
export class Connection {
  #listeners = new Map();
  #socket = null;
  #tries = 0;
  #heard_ms = 0;
  round_trip_ms = NaN;

  constructor(url) {
    this.url = url;
    setInterval(() => this.#look(), PING_MS);
    addEventListener("online", () => this.#open());
    document.addEventListener("visibilitychange", () => document.hidden || this.#open());
  }

  on(type, listener) {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
    return this;
  }

  start() {
    this.#open();
  }

  get is_open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Send, or forget where there is nobody: controls of the past must not arrive later. */
  send(message) {
    if (this.is_open) this.#socket.send(JSON.stringify(message));
  }

  #open() {
    if (this.#socket && this.#socket.readyState <= WebSocket.OPEN) return;
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#heard_ms = performance.now();
    socket.onopen = () => {
      this.#tries = 0;
      this.#tell("open");
    };
    socket.onmessage = ({ data }) => this.#heard(data);
    socket.onclose = ({ reason }) => this.#lost(socket, reason);
  }

  #lost(socket, reason) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#tell("lost", reason);
    const wait_ms = RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)];
    this.#tries += 1;
    setTimeout(() => this.#open(), wait_ms);
  }

  #heard(data) {
    this.#heard_ms = performance.now();
    if (data instanceof ArrayBuffer) {
      const picture = readPicture(data);
      if (picture) this.#tell("picture", picture);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "pong") this.round_trip_ms = performance.now() - message.t;
    this.#tell(message.type, message);
  }

  #look() {
    if (!this.is_open) return;
    if (!document.hidden && performance.now() - this.#heard_ms > SILENCE_MS) {
      const socket = this.#socket;  // a machine asleep, a cable out: no close ever comes
      socket.close();
      this.#lost(socket, "");
    } else {
      this.send({ type: "ping", t: performance.now() });
    }
  }

  #tell(type, value) {
    for (const listener of this.#listeners.get(type) ?? []) listener(value);
  }
}
