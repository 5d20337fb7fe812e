// Numbers as a person reads them; the same width whatever their sign.

const NONE = "–";
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** Digits after the point, with a sign that is as wide as a digit. */
export function signed(value, digits = 2) {
  if (!known(value)) return NONE;
  const rounded = value.toFixed(digits);
  if (Number(rounded) === 0) return (0).toFixed(digits);
  return value < 0 ? `−${rounded.slice(1)}` : `+${rounded}`;
}

export function plain(value, digits = 0, unit = "") {
  return known(value) ? `${value.toFixed(digits).replace("-", "−")}${unit}` : NONE;
}

/** Minutes and seconds: 1:04.2. */
export function clock(seconds, digits = 1) {
  if (!known(seconds)) return NONE;
  const tenths = Number(seconds.toFixed(digits));
  const minutes = Math.floor(tenths / 60);
  return `${minutes}:${(tenths - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

export function length(metres) {
  return known(metres) ? `${(metres / 1000).toFixed(2)} km` : NONE;
}

/** The value below which a share of all lies; NaN of none. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : NaN;
}
