// The road from above, north up, and the car on it.

import { colour, polyline, sheet } from "./canvas.js";

const MARGIN_PX = 14;

export class RoadMap {
  #canvas;
  #road = null;
  #car = null;
  #drawn = null;  // the road as it was drawn last, which a moving car does not change

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  set road(road) {
    this.#road = road?.centre?.length ? road : null;
    this.#drawn = null;
    this.draw();
  }

  place(x_m, y_m, heading_rad, driving) {
    this.#car = typeof x_m === "number" ? { x_m, y_m, heading_rad, driving } : null;
    this.draw();
  }

  draw() {
    const drawing = sheet(this.#canvas);
    if (!drawing) return;
    const { context, width, height } = drawing;
    if (!this.#road) {
      context.fillStyle = colour("--faint");
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText("No map of this road", width / 2, height / 2);
      return;
    }
    const looks = [this.#canvas.width, this.#canvas.height, colour("--road")].join();
    if (this.#drawn?.looks !== looks) this.#drawn = { looks, ...this.#paint(width, height) };
    const { picture, at } = this.#drawn;
    context.drawImage(picture, 0, 0, width, height);
    if (this.#car) this.#drawCar(context, at([this.#car.x_m, this.#car.y_m]));
  }

  #paint(width, height) {
    const picture = new OffscreenCanvas(this.#canvas.width, this.#canvas.height);
    const context = picture.getContext("2d");
    context.scale(picture.width / width, picture.height / height);
    const at = this.#fit(width, height);
    const { left, right, centre, start } = this.#road;
    this.#fill(context, [...left.map(at), ...right.map(at).reverse()]);
    for (const side of [left, right]) {
      polyline(context, [...side, side[0]].map(at), { colour: "--edge", dash: [], width: 1 });
    }
    polyline(context, [...centre, centre[0]].map(at), { colour: "--road", dash: [], width: 3 });
    if (start) this.#start(context, at(start));
    return { picture, at };
  }

  /** From metres to pixels: everything fits, both axes at one scale. */
  #fit(width, height) {
    const all = [...this.#road.left, ...this.#road.right];
    const xs = all.map(([x]) => x), ys = all.map(([, y]) => y);
    const west = Math.min(...xs), east = Math.max(...xs), south = Math.min(...ys), north = Math.max(...ys);
    const scale = Math.min(
      (width - 2 * MARGIN_PX) / Math.max(1, east - west),
      (height - 2 * MARGIN_PX) / Math.max(1, north - south),
    );
    return ([x, y]) => [
      width / 2 + (x - (west + east) / 2) * scale,
      height / 2 - (y - (south + north) / 2) * scale,
    ];
  }

  #fill(context, points) {
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.closePath();
    context.fillStyle = colour("--road");
    context.fill();
  }

  #start(context, [x, y]) {
    context.fillStyle = colour("--text");
    context.fillRect(x - 3, y - 3, 6, 6);
    context.fillStyle = colour("--panel");
    context.fillRect(x - 3, y - 3, 3, 3);
    context.fillRect(x, y, 3, 3);
  }

  #drawCar(context, [x, y]) {
    context.save();
    context.translate(x, y);
    context.rotate(-this.#car.heading_rad);
    context.beginPath();
    context.moveTo(9, 0);
    context.lineTo(-6, -5.5);
    context.lineTo(-3, 0);
    context.lineTo(-6, 5.5);
    context.closePath();
    context.fillStyle = colour(this.#car.driving === "pilot" ? "--pilot" : "--person");
    context.strokeStyle = colour("--page");
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
    context.restore();
  }
}
