// The instruments: wheel, speed, throttle and the figures of the drive.

import { byId, setText } from "./dom.js";
import { clock, length, plain, signed } from "./numbers.js";

const WHEEL_DEG = 110;
const FULL_SPEED_MPH = 35;
const SURE_SPREAD = 0.08;

export function showDash(state) {
  byId("wheel").style.transform = `rotate(${(state.steering * WHEEL_DEG).toFixed(1)}deg)`;
  const asked = typeof state.pilot_steering === "number";
  byId("wheel-pilot").toggleAttribute("hidden", !asked);
  if (asked) {
    const turn_deg = Math.max(-1, Math.min(1, state.pilot_steering)) * WHEEL_DEG;
    byId("wheel-pilot").style.transform = `rotate(${turn_deg.toFixed(1)}deg)`;
  }
  setText("steering", signed(state.steering));
  showSpeed(state);
  showThrottle(state.throttle);
}

function showSpeed({ speed_mph, speed_limit_mph }) {
  const share = (mph) => Math.max(0, Math.min(100, (100 * mph) / FULL_SPEED_MPH));
  setText("speed", plain(speed_mph));
  setText("glance-speed", plain(speed_mph));
  setText("limit-shown", plain(speed_limit_mph));
  byId("speed-fill").setAttribute("width", share(speed_mph).toFixed(1));
  byId("speed-limit-mark").setAttribute("x", Math.min(99, share(speed_limit_mph)).toFixed(1));
}

function showThrottle(throttle) {
  const size = Math.min(1, Math.abs(throttle)) * 50;
  byId("throttle-fill").setAttribute("y", (throttle > 0 ? 50 - size : 50).toFixed(1));
  byId("throttle-fill").setAttribute("height", size.toFixed(1));
  byId("throttle-fill").classList.toggle("brake", throttle < 0);
  setText("throttle-name", throttle < 0 ? "Brake" : "Throttle");
  setText("throttle", plain(Math.abs(throttle), 2));
}

export function showFigures(state) {
  setText("lap", plain(state.lap === null ? null : state.lap + 1));
  setText("lap-time", clock(state.lap_s));
  setText("best-lap", clock(state.best_lap_s));
  setText("distance", length(state.distance_m));
  setText("cte", offCentre(state.cte_m));
  setText("margin", plain(state.margin_m, 1, " m"));
  setText("autonomy", plain(state.autonomy_percent, 1, " %"));
  setText("interventions", plain(state.interventions));
  byId("off-road").hidden = !state.off_road;
  const unsure = typeof state.spread === "number" && state.spread > SURE_SPREAD;
  const warned = typeof state.warning_s === "number";
  byId("unsure").hidden = !(unsure || warned);
  if (warned) setText("unsure-text", `Failure likely within ${state.warning_s} s: take over`);
  else if (unsure) setText("unsure-text", `Pilot unsure ±${state.spread.toFixed(2)}`);
}

/** Left of the centre is positive; a letter says so, as nobody remembers which sign it is. */
function offCentre(cte_m) {
  if (typeof cte_m !== "number") return "–";
  const size = Math.abs(cte_m).toFixed(2);
  return `${size} m ${Number(size) === 0 ? "" : cte_m > 0 ? "L" : "R"}`.trimEnd();
}
