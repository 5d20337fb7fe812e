// A gamepad in the browsers' standard layout.

const DEAD_ZONE = 0.08;
const BRAKE = 6, GO = 7;
const BUTTONS = { 0: "mode", 1: "reset", 2: "record" };

const beyond = (value) => {
  const size = Math.max(0, Math.abs(value) - DEAD_ZONE) / (1 - DEAD_ZONE);
  return Math.sign(value) * size;
};

/**
 * Call `hold("gamepad", {steering, throttle} | null, at_ms)` whenever what it says changes.
 * Its buttons call what `pressed` of the answer is set to, with mode, reset or record.
 */
export function watchGamepad(hold) {
  const watch = { pressed: () => {} };
  let running = false, last = "", down = new Set();

  const look = (at_ms) => {
    const pad = [...navigator.getGamepads()].find((one) => one?.connected);
    running = Boolean(pad);
    const value = (button) => pad?.buttons[button]?.value ?? 0;
    const control = { steering: beyond(pad?.axes[0] ?? 0), throttle: value(GO) - value(BRAKE) };
    const said = `${control.steering.toFixed(3)} ${control.throttle.toFixed(3)}`;
    if (said !== last) {
      last = said;
      hold("gamepad", control.steering || control.throttle ? control : null, at_ms);
    }
    const now = new Set(Object.keys(BUTTONS).filter((button) => pad?.buttons[button]?.pressed));
    for (const button of now) if (!down.has(button)) watch.pressed(BUTTONS[button]);
    down = now;
    if (running) requestAnimationFrame(look);
  };

  addEventListener("gamepadconnected", () => {
    if (running) return;
    running = true;
    requestAnimationFrame(look);
  });
  return watch;
}
