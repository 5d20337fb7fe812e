// Line drawings: sharp on every screen, in the theme's colours.

/** How each driver's line looks: colour, dashes and width differ, so that one of them is enough. */
export const LINES = {
  person: { colour: "--person", dash: [], width: 2.4 },
  pilot: { colour: "--pilot", dash: [7, 4], width: 2 },
  expert: { colour: "--expert", dash: [1, 4], width: 2.4 },
};

let theme = null;
const themes = matchMedia("(prefers-color-scheme: light)");
themes.addEventListener("change", () => { theme = null; });

/** A colour of the style sheet. */
export function colour(name) {
  theme ??= getComputedStyle(document.documentElement);
  return theme.getPropertyValue(name).trim();
}

/** A drawing context in CSS pixels, cleared; null where the canvas is not to be seen. */
export function sheet(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return null;
  const scale = Math.min(devicePixelRatio || 1, 2);
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  return { context, width, height };
}

/** A line through points [x, y]; null lifts the pen. A phase keeps dashes in place as lines move. */
export function polyline(context, points, { colour: name, dash, width }, phase = 0) {
  context.beginPath();
  let up = true;
  for (const point of points) {
    if (!point) { up = true; continue; }
    if (up) context.moveTo(point[0], point[1]);
    else context.lineTo(point[0], point[1]);
    up = false;
  }
  context.setLineDash(dash);
  context.lineDashOffset = phase;
  context.lineWidth = width;
  context.lineCap = dash.length ? "round" : "butt";
  context.lineJoin = "round";
  context.strokeStyle = colour(name);
  context.stroke();
  context.setLineDash([]);
}

/** The smallest of a few round scales that shows all values; it does not breathe with them. */
export function steeringScale(largest) {
  return [0.25, 0.5, 1].find((scale) => largest <= scale) ?? 1;
}

/** Lines across for straight ahead and for the scale's ends, which are named. */
export function steeringGrid(context, width, top, bottom, scale, left = 0) {
  const middle = (top + bottom) / 2;
  context.lineWidth = 1;
  for (const [y, name] of [[top, "--grid"], [middle, "--line"], [bottom, "--grid"]]) {
    context.strokeStyle = colour(name);
    context.beginPath();
    context.moveTo(left, Math.round(y) + 0.5);
    context.lineTo(width, Math.round(y) + 0.5);
    context.stroke();
  }
  context.fillStyle = colour("--faint");
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillText(`right ${scale}`, 2, top + 3);
  context.textBaseline = "bottom";
  context.fillText(`left ${scale}`, 2, bottom - 2);
}
