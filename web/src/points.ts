import type { Packed } from "./types";

/** Where every point is: unpacks the bytes of `pack_points`, whose docstring describes them. */
export class Points {
  readonly nFrames: number;
  readonly nColumns: number;
  /** x, y, z of one visible sample after the other, in mm. */
  readonly values: Float32Array;
  private readonly first: Int32Array;
  private readonly stop: Int32Array;
  private readonly begin: Int32Array; // sample at which a stretch begins
  private readonly ofColumn: Int32Array; // stretch at which a column begins, n_columns + 1
  private readonly cursor: Int32Array; // the stretch that was asked for last, of each column

  constructor(packed: Packed, raw: ArrayBuffer) {
    [this.nFrames, this.nColumns] = packed.shape;
    const head = new DataView(raw);
    const nRuns = head.getInt32(0, true);
    this.first = new Int32Array(nRuns);
    this.stop = new Int32Array(nRuns);
    this.begin = new Int32Array(nRuns + 1);
    this.ofColumn = new Int32Array(this.nColumns + 1);
    for (let n = 0; n < nRuns; n++) {
      const [column, first, length] = [0, 4, 8].map((at) => head.getInt32(4 + 12 * n + at, true)) as [
        number,
        number,
        number,
      ];
      this.first[n] = first;
      this.stop[n] = first + length;
      this.begin[n + 1] = this.begin[n]! + length;
      this.ofColumn[column + 1] = n + 1;
    }
    for (let c = 0; c < this.nColumns; c++) {
      this.ofColumn[c + 1] = Math.max(this.ofColumn[c]!, this.ofColumn[c + 1]!);
    }
    this.cursor = this.ofColumn.slice(0, this.nColumns);
    this.values = this.unpacked(packed, new Uint8Array(raw, 4 + 12 * nRuns));
  }

  private unpacked(packed: Packed, bytes: Uint8Array): Float32Array {
    const n = this.begin[this.begin.length - 1]!;
    const values = new Float32Array(3 * n);
    for (let axis = 0; axis < 3; axis++) {
      const low = 2 * axis * n;
      const high = low + n;
      const offset = packed.offset_mm[axis]!;
      for (let run = 0; run < this.first.length; run++) {
        let steps = 0;
        for (let k = this.begin[run]!; k < this.begin[run + 1]!; k++) {
          const zigzag = bytes[low + k]! | (bytes[high + k]! << 8);
          steps = ((steps + ((zigzag >> 1) ^ -(zigzag & 1))) << 16) >> 16; // modulo 65536
          values[3 * k + axis] = steps * packed.step_mm + offset;
        }
      }
    }
    return values;
  }

  /** The sample of a column in a frame, to be looked up in `values`; -1 where it is hidden. */
  at(column: number, frame: number): number {
    const last = this.ofColumn[column + 1]!;
    let run = this.cursor[column]!;
    if (run >= last || frame < this.first[run]!) run = this.ofColumn[column]!;
    while (run < last && frame >= this.stop[run]!) run++;
    if (run >= last) return -1;
    this.cursor[column] = run;
    return frame < this.first[run]! ? -1 : this.begin[run]! + frame - this.first[run]!;
  }

  /** Calls `each` with the visible stretches of a column between two frames, the last exclusive. */
  stretches(
    column: number,
    start: number,
    stop: number,
    each: (first: number, stop: number, sample: number) => void,
  ): void {
    for (let run = this.ofColumn[column]!; run < this.ofColumn[column + 1]!; run++) {
      if (this.stop[run]! <= start) continue;
      if (this.first[run]! >= stop) break;
      const first = Math.max(start, this.first[run]!);
      each(first, Math.min(stop, this.stop[run]!), this.begin[run]! + first - this.first[run]!);
    }
  }
}

export async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let n = 0; n < binary.length; n++) bytes[n] = binary.charCodeAt(n);
  return bytes;
}
