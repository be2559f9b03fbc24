import { named, ofConfidence } from "./colours";
import { button, el } from "./dom";
import type { Row } from "./model";
import type { Store } from "./store";

const ROW = 18;
const RULER = 22;
const NAMES = 104; // width of the names

/** Every label over time, drawn on a canvas: only the rows that are to be seen. */
export class Timeline {
  readonly element: HTMLElement;
  private readonly canvas = el("canvas", { "aria-hidden": "true" });
  private readonly ruler = el("canvas", { class: "ruler", "aria-hidden": "true" });
  private readonly spacer = el("div");
  private readonly scroll: HTMLElement;
  private readonly head = el("div", { class: "playhead", "aria-hidden": "true" });
  private width = 0;
  private dirty = true;

  constructor(private readonly store: Store) {
    this.scroll = el("div", { class: "rows", tabindex: -1 }, this.canvas, this.spacer);
    const about = "Timeline of all labels. Up and down choose a row, left and right step through frames, + and - zoom.";
    const area = el(
      "div",
      { class: "area", tabindex: 0, role: "application", "aria-label": about },
      this.ruler,
      this.scroll,
      this.head,
    );
    this.element = el("section", { class: "timeline", "aria-label": "Timeline" }, area, this.tools());
    this.scroll.addEventListener("scroll", () => this.ask());
    this.ruler.addEventListener("pointerdown", (e) => this.drag(e, false));
    this.canvas.addEventListener("pointerdown", (e) => this.drag(e, true));
    area.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    area.addEventListener("keydown", (e) => this.key(e));
    new ResizeObserver(() => this.resize()).observe(this.scroll);
    store.on(["span", "view", "theme", "chosen"], () => this.ask());
    store.on(["view"], () => this.resize());
    store.on(["frame", "span"], () => this.placeHead());
    store.on(["chosen"], () => this.reveal());
  }

  private tools(): HTMLElement {
    return el(
      "div",
      { class: "tools" },
      el("span", { class: "key" }, "bar: as high as its label is sure · dotted: hidden · │ cut · ! to review · ■ held"),
      button("zoom in", "+", () => this.store.zoom(0.5)),
      button("zoom out", "-", () => this.store.zoom(2)),
      button("all", "", () => this.store.zoom(Infinity), "the whole trial"),
    );
  }

  ask(): void {
    this.dirty = true;
  }

  private resize(): void {
    const height = this.scroll.clientHeight;
    this.width = this.scroll.clientWidth;
    this.spacer.style.height = `${Math.max(0, this.store.model.rows.length * ROW - height)}px`;
    for (const [canvas, h] of [
      [this.canvas, height],
      [this.ruler, RULER],
    ] as const) {
      canvas.width = this.width * devicePixelRatio;
      canvas.height = h * devicePixelRatio;
      canvas.style.width = `${this.width}px`;
      canvas.style.height = `${h}px`;
    }
    this.placeHead();
    this.ask();
  }

  private x(frame: number): number {
    const [a, b] = this.store.span;
    return NAMES + ((frame - a) / (b - a)) * (this.width - NAMES);
  }

  private frameAt(x: number): number {
    const [a, b] = this.store.span;
    return Math.floor(a + ((x - NAMES) / (this.width - NAMES)) * (b - a));
  }

  private placeHead(): void {
    const x = this.x(this.store.frame + 0.5);
    this.head.hidden = x < NAMES;
    this.head.style.transform = `translateX(${x}px)`;
  }

  private pen(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
    const pen = canvas.getContext("2d")!;
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    return pen;
  }

  draw(): void {
    if (!this.dirty || this.width === 0) return;
    this.dirty = false;
    this.drawRuler();
    const pen = this.pen(this.canvas);
    const top = this.scroll.scrollTop;
    const { rows } = this.store.model;
    const last = Math.min(rows.length, Math.ceil((top + this.scroll.clientHeight) / ROW));
    for (let n = Math.floor(top / ROW); n < last; n++) this.drawRow(pen, rows[n]!, n * ROW - top);
  }

  private drawRuler(): void {
    const pen = this.pen(this.ruler);
    const [a, b] = this.store.span;
    const { first_frame: first, rate_hz: rate } = this.store.model.view;
    const least = ((b - a) * 90) / Math.max(1, this.width - NAMES);
    const size = 10 ** Math.floor(Math.log10(Math.max(1, least)));
    const step = size * [1, 2, 5, 10].find((k) => k * size >= least)!;
    pen.fillStyle = named("ink-soft");
    pen.fillText("frame", 6, RULER / 2);
    for (let told = Math.ceil((a + first) / step) * step; told < b + first; told += step) {
      const x = this.x(told - first);
      pen.fillRect(x, RULER - 5, 1, 5);
      pen.fillText(`${told} (${((told - first) / rate).toFixed(step / rate < 1 ? 2 : 0)} s)`, x + 3, RULER / 2 - 2);
    }
  }

  private drawRow(pen: CanvasRenderingContext2D, row: Row, y: number): void {
    const { model, chosen, span, piece } = this.store;
    const isChosen = chosen !== null && (row.label >= 0 ? row.label === chosen.label : row.pieces.includes(piece));
    if (isChosen) {
      pen.fillStyle = named("chosen");
      pen.fillRect(0, y, this.width, ROW);
    }
    const missing = row.pieces.length === 0;
    pen.save();
    pen.beginPath();
    pen.rect(0, y, NAMES - 6, ROW);
    pen.clip();
    pen.fillStyle = named(missing || row.label < 0 ? "ink-soft" : "ink");
    pen.fillText(missing ? `${row.name} (missing)` : row.name, 6, y + ROW / 2);
    pen.restore();
    pen.save();
    pen.beginPath();
    pen.rect(NAMES, y, this.width - NAMES, ROW);
    pen.clip();
    this.dots(pen, NAMES, this.width, y + ROW - 4);
    for (const n of row.pieces) {
      const { start, stop } = model.piece(n);
      if (stop > span[0] && start < span[1]) this.drawPiece(pen, n, y, row.label < 0);
    }
    if (row.label >= 0) this.drawMarks(pen, row, y);
    pen.restore();
  }

  private dots(pen: CanvasRenderingContext2D, from: number, to: number, y: number): void {
    pen.strokeStyle = named("grid-strong");
    pen.setLineDash([1, 4]);
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(from, y + 0.5);
    pen.lineTo(to, y + 0.5);
    pen.stroke();
    pen.setLineDash([]);
  }

  private drawPiece(pen: CanvasRenderingContext2D, n: number, y: number, unlabelled: boolean): void {
    const { model, span } = this.store;
    const piece = model.piece(n);
    const foot = y + ROW - 3;
    model.points.stretches(
      piece.column,
      Math.max(piece.start, Math.floor(span[0])),
      Math.min(piece.stop, Math.ceil(span[1])),
      (first, stop) => {
        const a = Math.round(this.x(first));
        const b = Math.max(Math.round(this.x(stop)), a + 1);
        if (unlabelled) {
          pen.fillStyle = named("none");
          pen.fillRect(a, foot - 5, b - a, 5);
        } else if (piece.course.length === 0) this.bar(pen, a, b, foot, piece.confidence);
        else {
          for (let x = a; x < b; x += 2) {
            this.bar(
              pen,
              x,
              Math.min(x + 2, b),
              foot,
              model.confidence(n, Math.min(stop - 1, Math.max(first, this.frameAt(x)))),
            );
          }
        }
      },
    );
    pen.fillStyle = named("ink-soft");
    pen.fillRect(this.x(piece.start), y + 2, 1, ROW - 5);
    if (!piece.held) return;
    for (const [colour, size] of [
      [named("panel"), 8],
      [named("ink"), 5],
    ] as const) {
      pen.fillStyle = colour;
      pen.fillRect(Math.max(NAMES, this.x(piece.start)) + 6 - size / 2, y + ROW / 2 - size / 2, size, size);
    }
  }

  /** Low and orange where doubtful, high and blue where sure. */
  private bar(pen: CanvasRenderingContext2D, a: number, b: number, foot: number, confidence: number): void {
    const height = 3 + (ROW - 8) * Math.max(0, Math.min(1, 2 * confidence - 1));
    pen.fillStyle = ofConfidence(confidence);
    pen.fillRect(a, foot - height, b - a, height);
  }

  private drawMarks(pen: CanvasRenderingContext2D, row: Row, y: number): void {
    const { view } = this.store.model;
    pen.fillStyle = named("alarm");
    for (const doubt of view.doubts) {
      if (!row.pieces.includes(doubt.piece)) continue;
      const [a, b] = [this.x(doubt.first), this.x(doubt.last + 1)];
      for (let x = a; x < Math.max(b, a + 3); x += 6) pen.fillRect(x, y + ROW - 2, 3, 2);
      pen.font = "bold 12px system-ui, sans-serif";
      pen.fillText("!", Math.max(NAMES + 2, a + 2), y + 7);
    }
    for (const cut of view.cuts) {
      if (cut.before !== row.name && cut.after !== row.name) continue;
      pen.fillStyle = named("ink");
      pen.fillRect(this.x(cut.frame) - 1, y, 2, ROW);
    }
  }

  private drag(down: PointerEvent, choose: boolean): void {
    const target = down.currentTarget as HTMLElement;
    const box = target.getBoundingClientRect();
    const go = (e: PointerEvent) => {
      if (e.clientX - box.left >= NAMES) this.store.toFrame(this.frameAt(e.clientX - box.left));
    };
    if (choose) this.chooseAt(down, box);
    go(down);
    target.setPointerCapture(down.pointerId);
    target.onpointermove = go;
    target.onpointerup = () => (target.onpointermove = null);
  }

  private chooseAt(down: PointerEvent, box: DOMRect): void {
    const row = this.store.model.rows[Math.floor((down.clientY - box.top + this.scroll.scrollTop) / ROW)];
    if (row !== undefined) this.chooseRow(row, this.frameAt(down.clientX - box.left));
  }

  private chooseRow(row: Row, frame: number): void {
    const { model } = this.store;
    if (row.label >= 0) return this.store.choose({ label: row.label, piece: row.pieces[0] ?? -1 });
    const away = (n: number) => Math.max(0, model.piece(n).start - frame, frame - model.piece(n).stop + 1);
    const nearest = row.pieces.reduce((best, n) => (away(n) < away(best) ? n : best), row.pieces[0]!);
    return this.store.choosePiece(nearest);
  }

  /** The row of what is chosen, -1 for none. */
  private chosenRow(): number {
    const { model, chosen, piece } = this.store;
    if (chosen === null) return -1;
    return model.rows.findIndex((row) =>
      row.label >= 0 ? row.label === chosen.label : chosen.label < 0 && row.pieces.includes(piece),
    );
  }

  /** The row after or before the chosen one. */
  step(by: number): void {
    const { rows } = this.store.model;
    if (rows.length === 0) return;
    const now = this.chosenRow();
    this.chooseRow(
      rows[now < 0 ? (by > 0 ? 0 : rows.length - 1) : (now + by + rows.length) % rows.length]!,
      this.store.frame,
    );
  }

  private reveal(): void {
    const row = this.chosenRow();
    if (row < 0) return;
    const { scrollTop, clientHeight } = this.scroll;
    if (row * ROW < scrollTop) this.scroll.scrollTop = row * ROW;
    else if ((row + 1) * ROW > scrollTop + clientHeight) this.scroll.scrollTop = (row + 1) * ROW - clientHeight;
  }

  private wheel(event: WheelEvent): void {
    if (event.ctrlKey || event.metaKey) {
      const box = this.scroll.getBoundingClientRect();
      this.store.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.frameAt(event.clientX - box.left));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = (event.deltaX || event.deltaY) / Math.max(1, this.width - NAMES);
      this.store.pan(by * (this.store.span[1] - this.store.span[0]));
    } else return;
    event.preventDefault();
  }

  private key(event: KeyboardEvent): void {
    const zoom = { "+": 0.5, "=": 0.5, "-": 2 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (zoom !== undefined) this.store.zoom(zoom);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") this.step(event.key === "ArrowDown" ? 1 : -1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
