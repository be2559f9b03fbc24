import type { Model } from "./model";

type Place = [number, number, number];
const MOST_STOPS = 600;
const SMOOTH = 3; // stops before and after that a place is averaged with

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1] ?? 0;
}

/** Places of the labelled points in a frame, of all where none has a label. */
function placesIn(model: Model, frame: number): number[][] {
  const labelled: number[][] = [];
  const all: number[][] = [];
  for (let column = 0; column < model.view.columns.length; column++) {
    const sample = model.computed.has(column) ? -1 : model.points.at(column, frame);
    if (sample < 0) continue;
    const place = [...model.points.values.subarray(3 * sample, 3 * sample + 3)];
    const n = model.pieceAt(column, frame);
    (n >= 0 && model.piece(n).label >= 0 ? labelled : all).push(place);
  }
  return labelled.length > 2 ? labelled : [...labelled, ...all];
}

/** Where the body is over time, smoothly: what the camera follows. */
export class Path {
  last: Place = [0, 0, 0];
  readonly radius: number; // of a drawn marker, in mm
  private readonly stops: Place[] = [];
  private readonly step: number;

  constructor(model: Model) {
    const n = model.view.n_frames;
    this.step = Math.max(1, Math.ceil(n / MOST_STOPS));
    const raw: Place[] = [];
    for (let frame = 0; frame < n; frame += this.step) {
      const places = placesIn(model, frame);
      const middle = [0, 1, 2].map((axis) => median(places.map((p) => p[axis]!))) as Place;
      raw.push(places.length > 0 ? middle : (raw[raw.length - 1] ?? middle));
    }
    for (let k = 0; k < raw.length; k++) {
      const near = raw.slice(Math.max(0, k - SMOOTH), k + SMOOTH + 1);
      this.stops.push([0, 1, 2].map((axis) => near.reduce((sum, p) => sum + p[axis]!, 0) / near.length) as Place);
    }
    this.radius = Math.max(2, Math.min(18, bodyIn(model, 0, this).size * 0.0085));
    this.last = this.at(0);
  }

  at(frame: number): Place {
    const k = Math.min(Math.floor(frame / this.step), this.stops.length - 1);
    const a = this.stops[k] ?? [0, 0, 0];
    const b = this.stops[k + 1] ?? a;
    const part = frame / this.step - k;
    return [0, 1, 2].map((axis) => a[axis]! + (b[axis]! - a[axis]!) * part) as Place;
  }
}

/** The middle and the size of the body in a frame, without its farthest points. */
export function bodyIn(model: Model, frame: number, path: Path): { middle: Place; size: number } {
  const places = placesIn(model, frame);
  if (places.length < 3) return { middle: path.at(frame), size: 2000 };
  const spans = [0, 1, 2].map((axis) => {
    const sorted = places.map((p) => p[axis]!).sort((a, b) => a - b);
    const cut = Math.floor(sorted.length * 0.01);
    return [sorted[cut]!, sorted[sorted.length - 1 - cut]!] as const;
  });
  return {
    middle: spans.map(([a, b]) => (a + b) / 2) as Place,
    size: Math.max(100, ...spans.map(([a, b]) => b - a)),
  };
}
