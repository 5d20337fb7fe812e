// Dragging: on touch screens the left half steers and the right half goes; a mouse does both.

import { byId } from "./dom.js";

const STEER_PX = 110;
const PEDAL_PX = 90;
const MOUSE_STEER_PX = 240;
const MOUSE_PEDAL_PX = 140;

const clipped = (value) => Math.max(-1, Math.min(1, value));

/** Call `hold(source, {steering, throttle} | null, at_ms)` whenever a drag begins, moves or ends. */
export function watchPads(hold) {
  const drags = new Map();  // pointer id -> where it began, and what it moves

  const touched = () => {
    let steering = 0, throttle = 0;
    for (const drag of drags.values()) {
      if (drag.steer) steering += clipped(drag.x / drag.steer);
      if (drag.pedal) throttle += clipped(-drag.y / drag.pedal);
    }
    return drags.size ? { steering: clipped(steering), throttle: clipped(throttle) } : null;
  };

  const show = () => {
    const now = touched() ?? { steering: 0, throttle: 0 };
    byId("pad-steer").style.setProperty("--at", now.steering);
    byId("pad-pedal").style.setProperty("--at", -now.throttle);
    for (const [id, part] of [["pad-steer", "steer"], ["pad-pedal", "pedal"]]) {
      byId(id).classList.toggle("held", [...drags.values()].some((drag) => drag[part]));
    }
  };

  const begin = (event) => {
    if (event.button !== 0 || event.target.closest("button, a, select, input")) return;
    const mouse = event.pointerType === "mouse";
    const left = event.clientX < innerWidth / 2;
    drags.set(event.pointerId, {
      from_x: event.clientX, from_y: event.clientY, x: 0, y: 0,
      steer: mouse ? MOUSE_STEER_PX : left ? STEER_PX : 0,
      pedal: mouse ? MOUSE_PEDAL_PX : left ? 0 : PEDAL_PX,
    });
    event.currentTarget.setPointerCapture(event.pointerId);
    if (!mouse) event.preventDefault();
    show();
    hold("pointer", touched(), event.timeStamp);
  };

  const move = (event) => {
    const drag = drags.get(event.pointerId);
    if (!drag) return;
    drag.x = event.clientX - drag.from_x;
    drag.y = event.clientY - drag.from_y;
    show();
    hold("pointer", touched(), event.timeStamp);
  };

  const end = (event) => {
    if (!drags.delete(event.pointerId)) return;
    show();
    hold("pointer", touched(), event.timeStamp);
  };

  for (const area of [byId("view"), byId("pads")]) {
    area.addEventListener("pointerdown", begin);
    area.addEventListener("pointermove", move);
    area.addEventListener("pointerup", end);
    area.addEventListener("pointercancel", end);
    area.addEventListener("lostpointercapture", end);
    area.addEventListener("contextmenu", (event) => event.preventDefault());
  }
}
