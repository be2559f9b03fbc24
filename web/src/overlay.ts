import { Vector3 } from "three";
import { named } from "./colours";
import type { Shown, View3D } from "./scene";
import type { Store } from "./store";

const NEAR_PX = 16; // a click as near as this picks a marker
const LINE_PX = 11;
const MOVED_PX = 5; // a pointer that moves more turns the view and picks nothing

/** Names, and the ring about what is chosen, drawn over the 3-D view; and picking with the pointer. */
export class Overlay {
  readonly canvas = document.createElement("canvas");
  private readonly place = new Vector3();
  private taken: [number, number, number][] = []; // left, right and middle height of what is written

  constructor(
    private readonly store: Store,
    private readonly view: View3D,
  ) {
    this.canvas.className = "overlay";
    this.canvas.setAttribute("aria-hidden", "true");
    let down: [number, number] = [0, 0];
    view.canvas.addEventListener("pointerdown", (e) => (down = [e.clientX, e.clientY]));
    view.canvas.addEventListener("pointerup", (e) => {
      if (e.button === 0 && Math.hypot(e.clientX - down[0], e.clientY - down[1]) < MOVED_PX) this.pick(e);
    });
  }

  resize(width: number, height: number): void {
    const ratio = Math.min(devicePixelRatio, 2);
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
  }

  /** Where a point is on the picture, in its pixels; null behind the camera. */
  at(shown: Shown): [number, number] | null {
    const { values } = this.store.model.points;
    return this.project(values[3 * shown.sample]!, values[3 * shown.sample + 1]!, values[3 * shown.sample + 2]!);
  }

  private project(x: number, y: number, z: number): [number, number] | null {
    const { clientWidth, clientHeight } = this.view.canvas;
    this.place.set(x, y, z).project(this.view.camera);
    if (this.place.z > 1) return null;
    return [((this.place.x + 1) / 2) * clientWidth, ((1 - this.place.y) / 2) * clientHeight];
  }

  private pick(event: PointerEvent): void {
    const box = this.view.canvas.getBoundingClientRect();
    let best = NEAR_PX;
    let found: Shown | null = null;
    for (const shown of this.view.shown) {
      const at = shown.piece < 0 ? null : this.at(shown);
      const away =
        at === null ? Infinity : Math.hypot(at[0] - event.clientX + box.left, at[1] - event.clientY + box.top);
      if (away < best) [best, found] = [away, shown];
    }
    if (found !== null) this.store.choosePiece(found.piece);
    else this.store.choose(null);
  }

  draw(): void {
    const { model, options, piece, frame } = this.store;
    const pen = this.canvas.getContext("2d")!;
    const ratio = Math.min(devicePixelRatio, 2);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.font = "12px system-ui, sans-serif";
    pen.lineJoin = "round";
    this.taken = [];
    this.axes(pen);
    const chosen = this.view.shown.filter((shown) => shown.piece >= 0 && shown.piece === piece);
    for (const shown of [...chosen, ...this.view.shown.filter((x) => !chosen.includes(x))]) {
      const isChosen = chosen.includes(shown);
      const doubtful =
        shown.piece >= 0 &&
        options.colourBy === "confidence" &&
        model.piece(shown.piece).label >= 0 &&
        model.confidence(shown.piece, frame) < 0.9;
      if (!options.names && !isChosen && !doubtful) continue;
      const at = this.at(shown);
      if (at === null) continue;
      if (isChosen) this.ring(pen, at);
      const name = shown.piece < 0 ? model.columnName(shown.column) : model.nameOf(shown.piece);
      const unlabelled = shown.piece >= 0 && model.piece(shown.piece).label < 0;
      if (options.names || isChosen)
        this.write(pen, doubtful ? `${name} ?` : unlabelled ? `${name} (none)` : name, at, isChosen);
      else this.write(pen, "?", at, false);
    }
  }

  private ring(pen: CanvasRenderingContext2D, [x, y]: [number, number]): void {
    for (const [width, colour] of [
      [5, named("view")],
      [2.5, named("ink")],
    ] as const) {
      pen.lineWidth = width;
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.arc(x, y, 12, 0, 7);
      pen.stroke();
    }
  }

  /** Beside a place, unless it would lie over what is written already. */
  private write(pen: CanvasRenderingContext2D, text: string, [x, y]: [number, number], strong: boolean): void {
    pen.font = `${strong ? "bold 13px" : "11px"} system-ui, sans-serif`;
    const left = x + (strong ? 16 : 8);
    const right = left + pen.measureText(text).width;
    if (this.taken.some((box) => left < box[1] && right > box[0] && Math.abs(y - box[2]) < LINE_PX)) return;
    this.taken.push([left, right, y]);
    pen.lineWidth = 3;
    pen.strokeStyle = named("view");
    pen.fillStyle = named("ink");
    pen.strokeText(text, left, y + 4);
    pen.fillText(text, left, y + 4);
  }

  /** The axes' names at the ends of their lines. */
  private axes(pen: CanvasRenderingContext2D): void {
    for (const [text, x, y, z] of [
      ["x", 330, 0, 0],
      ["y", 0, 330, 0],
      ["z", 0, 0, 330],
    ] as const) {
      const at = this.project(x, y, z);
      if (at !== null) this.write(pen, text, [at[0] - 8, at[1]], false);
    }
  }
}
