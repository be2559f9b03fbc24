import type { Points } from "./points";
import type { Piece, View } from "./types";

/** A row of the timeline: a label, or a lane of pieces that have none. */
export interface Row {
  label: number; // -1: a lane
  name: string;
  pieces: number[];
}

/** What is chosen: a label through the whole trial, or one piece that has none. */
export interface Chosen {
  label: number; // -1: only `piece` counts
  piece: number;
}

/** The view and its points, with what is asked of them often made ready. */
export class Model {
  readonly ofColumn: number[][]; // pieces of each column, by time
  readonly ofLabel: number[][]; // pieces of each label, by time
  readonly rows: Row[];
  readonly computed: Set<number>;
  readonly doubtful: Set<number>;

  constructor(
    readonly view: View,
    readonly points: Points,
  ) {
    this.ofColumn = view.columns.map(() => []);
    this.ofLabel = view.labels.map(() => []);
    this.computed = new Set(view.computed);
    this.doubtful = new Set(view.doubts.map((d) => d.piece));
    const byTime = view.pieces.map((_, n) => n).sort((a, b) => view.pieces[a]!.start - view.pieces[b]!.start);
    for (const n of byTime) {
      const piece = view.pieces[n]!;
      this.ofColumn[piece.column]!.push(n);
      if (piece.label >= 0) this.ofLabel[piece.label]!.push(n);
    }
    this.rows = this.makeRows(byTime);
  }

  private makeRows(byTime: number[]): Row[] {
    const rows = this.view.labels.map((name, label) => ({ label, name, pieces: this.ofLabel[label]! }));
    const lanes: Row[] = [];
    const ends: number[] = [];
    for (const n of byTime) {
      const piece = this.view.pieces[n]!;
      if (piece.label >= 0) continue;
      let lane = ends.findIndex((end) => end <= piece.start);
      if (lane < 0) {
        lane = lanes.push({ label: -1, name: `no label ${lanes.length + 1}`, pieces: [] }) - 1;
      }
      lanes[lane]!.pieces.push(n);
      ends[lane] = piece.stop + 1;
    }
    return [...rows, ...lanes];
  }

  piece(n: number): Piece {
    return this.view.pieces[n]!;
  }

  /** The piece of a column that a frame is in, -1 for none. */
  pieceAt(column: number, frame: number): number {
    return this.covering(this.ofColumn[column]!, frame);
  }

  /** The piece that carries a label in a frame, -1 for none. */
  pieceOf(label: number, frame: number): number {
    return this.covering(this.ofLabel[label]!, frame);
  }

  private covering(sorted: number[], frame: number): number {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.piece(sorted[middle]!).start <= frame) low = middle + 1;
      else high = middle;
    }
    // Pieces of one label may hold each other's gaps, so the one that began last need not be the only one.
    let inside = -1;
    for (let k = low - 1; k >= Math.max(0, low - 8); k--) {
      const piece = this.piece(sorted[k]!);
      if (frame >= piece.stop) continue;
      if (this.points.at(piece.column, frame) >= 0) return sorted[k]!;
      if (inside < 0) inside = sorted[k]!;
    }
    return inside;
  }

  /** The chosen piece in a frame, or the one nearest in time; -1 where nothing is chosen or its label is missing. */
  pieceOfChosen(chosen: Chosen | null, frame: number): number {
    if (chosen === null) return -1;
    if (chosen.label < 0) return chosen.piece;
    const here = this.pieceOf(chosen.label, frame);
    if (here >= 0) return here;
    const away = (n: number) => Math.max(this.piece(n).start - frame, frame - this.piece(n).stop);
    return this.ofLabel[chosen.label]!.reduce((best, n) => (best < 0 || away(n) < away(best) ? n : best), -1);
  }

  /** The confidence of a piece's label in a frame: straight between the moments of its course. */
  confidence(n: number, frame: number): number {
    const { course, confidence } = this.piece(n);
    if (course.length === 0) return confidence;
    let low = 0;
    let high = course.length - 1;
    if (frame <= course[0]![0]) return course[0]![1];
    if (frame >= course[high]![0]) return course[high]![1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (course[middle]![0] <= frame) low = middle;
      else high = middle;
    }
    const [a, before] = course[low]!;
    const [b, after] = course[high]!;
    return b === a ? after : before + ((after - before) * (frame - a)) / (b - a);
  }

  columnName(column: number): string {
    return this.view.columns[column] || `column ${column + 1}`;
  }

  labelName(label: number): string {
    return label < 0 ? "none" : this.view.labels[label]!;
  }

  /** The name a point goes by: its label, or its column's where it has none. */
  nameOf(n: number): string {
    const piece = this.piece(n);
    return piece.label >= 0 ? this.view.labels[piece.label]! : this.columnName(piece.column);
  }

  /** A frame as people count it. */
  told(frame: number): string {
    return String(frame + this.view.first_frame);
  }
}
