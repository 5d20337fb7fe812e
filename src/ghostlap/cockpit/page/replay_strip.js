// The whole of a recording's steering as one line, and where one is in it.

import { LINES, colour, polyline, sheet, steeringGrid, steeringScale } from "./canvas.js";

const AROUND_ROWS = 450;
const OVERVIEW_PX = 18;

/** The row under a pointer on the overview at the bottom, or in the window above it. */
export function rowAt(canvas, event, count) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const share = Math.max(0, Math.min(1, (event.clientX - left) / width));
  if (event.clientY - top > height - OVERVIEW_PX) return Math.round(share * (count - 1));
  const [first, last] = windowOf(Number(canvas.dataset.at), count);
  return Math.round(first + share * (last - first));
}

function windowOf(at, count) {
  const first = Math.max(0, Math.min(count - AROUND_ROWS, Math.floor(at / AROUND_ROWS) * AROUND_ROWS));
  return [first, Math.min(count - 1, first + AROUND_ROWS)];
}

export function drawReplayStrip(canvas, { rows, columns, predicted, from, to }, at) {
  const drawing = sheet(canvas);
  if (!drawing || !rows.length) return;
  canvas.dataset.at = at;
  const { context, width, height } = drawing;
  const bottom = height - OVERVIEW_PX - 8;
  const [first, last] = windowOf(at, rows.length);
  const x = (row) => (width * (row - first)) / Math.max(1, last - first);
  const driven = range(first, last).map((row) => [row, rows[row][columns.steering]]);
  const asked = predicted ? range(first, last).map((row) => [row, predicted[row]]) : [];
  const largest = Math.max(0, ...[...driven, ...asked].map(([, value]) => Math.abs(value ?? 0)));
  const scale = steeringScale(largest);
  const y = (value) => bottom / 2 - (Math.max(-1, Math.min(1, value / scale)) * (bottom - 4)) / 2;
  const points = (pairs) => pairs.map(([row, value]) => typeof value === "number" ? [x(row), y(value)] : null);
  mark(context, from === null ? null : x(from), to === null ? null : x(to + 1), bottom, width);
  steeringGrid(context, width, 0, bottom, scale);
  polyline(context, points(driven), LINES.person);
  polyline(context, points(asked), LINES.pilot);
  context.fillStyle = colour("--text");
  context.fillRect(Math.round(x(at)) - 1, 0, 2, bottom);
  overview(context, rows, columns.steering, { width, height, first, last, at });
}

/** The stretch to be cut out: hatched, so that it shows without colour. */
function mark(context, from, to, bottom, width) {
  if (from === null) return;
  const end = to === null || to < from ? from + 2 : to;
  context.save();
  context.beginPath();
  context.rect(from, 0, Math.max(2, end - from), bottom);
  context.clip();
  context.strokeStyle = colour("--record");
  context.lineWidth = 1;
  context.beginPath();
  for (let at = -bottom; at < width; at += 9) {
    context.moveTo(at, bottom);
    context.lineTo(at + bottom, 0);
  }
  context.stroke();
  context.restore();
}

function overview(context, rows, column, { width, height, first, last, at }) {
  const top = height - OVERVIEW_PX, x = (row) => (width * row) / Math.max(1, rows.length - 1);
  context.fillStyle = colour("--grid");
  context.fillRect(x(first), top, Math.max(3, x(last) - x(first)), OVERVIEW_PX);
  const every = Math.max(1, Math.floor(rows.length / Math.max(1, width)));
  const points = range(0, rows.length - 1, every)
    .map((row) => [x(row), top + (OVERVIEW_PX / 2) * (1 - Math.max(-1, Math.min(1, rows[row][column] ?? 0)))]);
  polyline(context, points, { colour: "--faint", dash: [], width: 1 });
  context.fillStyle = colour("--text");
  context.fillRect(Math.round(x(at)) - 1, top, 2, OVERVIEW_PX);
}

function range(first, last, every = 1) {
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, k) => first + k * every);
}
