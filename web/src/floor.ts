import { BufferAttribute, BufferGeometry, LineBasicMaterial, LineSegments } from "three";
import type { Color } from "three";

const CELL_MM = 500;
const CELLS = 20; // to a side
const STEP_MM = 2 * CELL_MM; // by which the floor moves with the body

/** Ten metres of floor, in cells of half a metre, every second line stronger. Each side of a cell is a line of its own:
 *  long lines that pass behind the camera are lost in some renderers. */
export function floor(weak: Color, strong: Color): LineSegments {
  const places: number[] = [];
  const colours: number[] = [];
  for (const axis of [0, 1] as const) {
    for (let line = 0; line <= CELLS; line++) {
      for (let cell = 0; cell < CELLS; cell++) {
        for (const end of [cell, cell + 1]) {
          const place = [0, 0, 0];
          place[axis] = (end - CELLS / 2) * CELL_MM;
          place[1 - axis] = (line - CELLS / 2) * CELL_MM;
          places.push(...place);
          colours.push(...(line % 2 === 0 ? strong : weak).toArray());
        }
      }
    }
  }
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(new Float32Array(places), 3));
  geometry.setAttribute("color", new BufferAttribute(new Float32Array(colours), 3));
  return new LineSegments(geometry, new LineBasicMaterial({ vertexColors: true }));
}

/** Under a place, in whole steps, so that the lines stay where they are in the room. */
export function putUnder(lines: LineSegments, [x, y]: readonly number[]): void {
  lines.position.set(Math.round(x! / STEP_MM) * STEP_MM, Math.round(y! / STEP_MM) * STEP_MM, 0);
}
