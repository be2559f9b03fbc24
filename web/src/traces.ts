import uPlot from "uplot";
import { named } from "./colours";
import { el } from "./dom";
import type { Store } from "./store";

const HEIGHT = 170;
const AROUND = 25; // frames before and after a piece
const DASHES = [[], [8, 4], [2, 3], [1, 0]];
type Series = (number | null)[];

/** Where the chosen marker is over time, and how sure its label. */
export class Traces {
  readonly element = el("div", { class: "traces" });
  private plot: uPlot | null = null;
  private dirty = true;

  constructor(private readonly store: Store) {
    this.element.setAttribute("role", "img");
    store.on(["chosen", "view", "theme"], () => (this.dirty = true));
    store.on(["span"], () => this.showSpan());
    new ResizeObserver(() => this.plot?.setSize({ width: this.element.clientWidth, height: HEIGHT })).observe(
      this.element,
    );
  }

  /** Frames, x, y, z and confidence of what is chosen. */
  private data(): [number[], Series, Series, Series, Series] {
    const { model, chosen } = this.store;
    const n = model.view.n_frames;
    const frames = Array.from({ length: n }, (_, k) => k + model.view.first_frame);
    const series = Array.from({ length: 4 }, (): Series => new Array<number | null>(n).fill(null)) as [
      Series,
      Series,
      Series,
      Series,
    ];
    const pieces = chosen === null ? [] : chosen.label >= 0 ? model.ofLabel[chosen.label]! : [chosen.piece];
    for (const p of pieces) {
      const piece = model.piece(p);
      model.points.stretches(piece.column, piece.start, piece.stop, (first, stop, sample) => {
        for (let frame = first; frame < stop; frame++) {
          for (let axis = 0; axis < 3; axis++)
            series[axis]![frame] = model.points.values[3 * (sample + frame - first) + axis]!;
          series[3][frame] = model.confidence(p, frame);
        }
      });
    }
    return [frames, ...series];
  }

  draw(): void {
    if (this.dirty) this.make();
    if (this.plot === null) return;
    const idx = this.store.frame;
    const left = this.plot.valToPos(idx + this.store.model.view.first_frame, "x");
    this.plot.setCursor({ left, top: 0 }, false);
    this.plot.setLegend({ idx }, false);
  }

  private make(): void {
    this.dirty = false;
    this.plot?.destroy();
    this.plot = null;
    this.element.hidden = this.store.chosen === null;
    if (this.element.hidden || this.element.clientWidth === 0) {
      this.dirty = !this.element.hidden;
      return;
    }
    const { model, chosen, span } = this.store;
    const name = chosen!.label >= 0 ? model.labelName(chosen!.label) : model.nameOf(chosen!.piece);
    this.element.setAttribute(
      "aria-label",
      `Position of ${name} over time: x solid, y dashed, z dotted; confidence as a thin line`,
    );
    const axis = {
      stroke: named("ink-soft"),
      grid: { stroke: named("grid"), width: 1 },
      ticks: { stroke: named("grid") },
      font: "11px system-ui",
    };
    const line = (label: string, n: number, more: Partial<uPlot.Series> = {}): uPlot.Series => ({
      label,
      stroke: named(`trace-${n}`),
      dash: DASHES[n]!,
      width: n === 3 ? 1 : 1.6,
      spanGaps: false,
      points: { show: false },
      value: (_, v) => (v == null ? "hidden" : v.toFixed(n === 3 ? 3 : 1)),
      ...more,
    });
    const options: uPlot.Options = {
      width: this.element.clientWidth,
      height: HEIGHT,
      legend: { live: true },
      pxAlign: false,
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: false, y: false },
        bind: { mousemove: () => null, mouseleave: () => null },
      },
      scales: { x: { time: false }, sure: { range: [0, 1.02] } },
      axes: [
        axis,
        { ...axis, size: 52, label: "mm", labelSize: 14, labelFont: "11px system-ui" },
        { ...axis, scale: "sure", side: 1, size: 42, grid: { show: false } },
      ],
      series: [{ label: "frame" }, line("x", 0), line("y", 1), line("z", 2), line("confidence", 3, { scale: "sure" })],
    };
    this.plot = new uPlot(options, this.data(), this.element);
    this.plot.over.addEventListener("pointerdown", (e) => this.jump(e));
    this.plot.over.addEventListener("pointermove", (e) => e.buttons === 1 && this.jump(e));
    if (span[0] > 0 || span[1] < model.view.n_frames || chosen!.label < 0) this.showSpan();
  }

  private jump(event: PointerEvent): void {
    const x = event.clientX - this.plot!.over.getBoundingClientRect().left;
    this.store.toFrame(this.plot!.posToVal(x, "x") - this.store.model.view.first_frame);
  }

  /** The frames that the timeline shows; of all frames those about a piece that has no label, which may be short. */
  private showSpan(): void {
    const { model, chosen } = this.store;
    let [from, to] = this.store.span;
    if (chosen !== null && chosen.label < 0 && to - from >= model.view.n_frames) {
      const { start, stop } = model.piece(chosen.piece);
      [from, to] = [Math.max(0, start - AROUND), Math.min(model.view.n_frames, stop + AROUND)];
    }
    const first = model.view.first_frame;
    this.plot?.setScale("x", { min: from + first, max: Math.max(to - 1, from + 1) + first });
  }
}
