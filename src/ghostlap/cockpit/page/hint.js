// One line of what to press now, and one of what was measured so far.

import { length, plain } from "./numbers.js";

const fingers = matchMedia("(pointer: coarse)");

/** What whoever looks at the page can do next. */
export function whatToPress(state, drives) {
  const touch = fingers.matches;
  if (!drives) return "You watch. Take the seat to drive.";
  if (state.paused) return touch ? "Paused. Press Go on." : "Paused. P goes on.";
  if (state.driving === "pilot") {
    return touch
      ? "The pilot drives. Touch the left pad to take the wheel, Record to keep the drive."
      : "The pilot drives. ← or → takes the wheel, R records, Space: you drive alone.";
  }
  if (state.mode === "autonomous") {
    return touch ? "You have the wheel. Hand back when it is right." : "You have the wheel. H hands back to the pilot.";
  }
  const next = state.recording
    ? "R stops; Teach trains a pilot on it."
    : state.pilot ? "Space: the pilot drives. R records." : "R records a drive; Teach trains a pilot on it.";
  return touch
    ? "You drive. Left pad steers, right pad goes and brakes. Record a lap; Teach trains a pilot on it."
    : `You drive. ← → steer, ↑ goes, ↓ brakes. ${next}`;
}

/** How the pilot has driven so far, and what its last evaluation came to. */
export function whatWasMeasured(state, evaluated) {
  const parts = [];
  if (typeof state.autonomy_percent === "number") {
    const times = state.interventions === 1 ? "once" : `${state.interventions} times`;
    parts.push(`${state.pilot ?? "The pilot"} here: autonomy ${plain(state.autonomy_percent, 1, " %")}, taken over ${times}, ${length(state.pilot_m)}`);
  }
  if (evaluated) parts.push(`evaluated on ${evaluated}`);
  return parts.join("; ");
}
