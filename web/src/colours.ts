import type { Model } from "./model";
import type { ColourBy } from "./store";

const GOLDEN_DEG = 137.508;
// From doubtful to sure: orange, yellow, blue differ for every kind of colour vision.
const CONFIDENCE: [number, [number, number, number]][] = [
  [0.5, [197, 66, 0]],
  [0.9, [238, 178, 46]],
  [0.97, [120, 160, 200]],
  [1, [37, 99, 190]],
];

export const isDark = (): boolean => document.documentElement.dataset["theme"] === "dark";

export function ofConfidence(confidence: number): string {
  let [before, a] = CONFIDENCE[0]!;
  for (const [at, b] of CONFIDENCE) {
    if (confidence <= at) {
      const part = at === before ? 1 : Math.max(0, confidence - before) / (at - before);
      return `rgb(${a.map((x, n) => Math.round(x + (b[n]! - x) * part)).join(", ")})`;
    }
    [before, a] = [at, b];
  }
  return `rgb(${a.join(", ")})`;
}

function hsl(hue: number, saturation: number, step: number): string {
  const lightness = (isDark() ? 58 : 40) + [0, 9, -8][step % 3]!;
  return `hsl(${hue % 360}, ${saturation}%, ${lightness}%)`;
}

/** Of each segment: left ones blue and green, right ones red and yellow, those of the middle violet. */
export function ofSegments(segments: (string | null)[]): Map<string | null, string> {
  const found = new Map<string | null, string>([[null, hsl(0, 0, 0)]]);
  const count = { l: 0, r: 0, m: 0 };
  for (const segment of segments) {
    if (segment === null || found.has(segment)) continue;
    const side = /(^|[_ .-])(l|left)([_ .-]|$)/i.test(segment)
      ? "l"
      : /(^|[_ .-])(r|right)([_ .-]|$)/i.test(segment)
        ? "r"
        : "m";
    const n = count[side]++;
    const hue = { l: 165 + ((n * 29) % 75), r: 340 + ((n * 31) % 75), m: 265 + ((n * 23) % 50) }[side];
    found.set(segment, hsl(hue, 62, n));
  }
  return found;
}

/** The colour of each label as `colourBy` has it; by confidence each piece has its own. */
export function ofLabels(model: Model, colourBy: ColourBy): string[] {
  if (colourBy === "segment") {
    const bySegment = ofSegments(model.view.segments);
    return model.view.segments.map((s) => bySegment.get(s)!);
  }
  return model.view.labels.map((_, n) => hsl(n * GOLDEN_DEG, 60, n));
}

const known = new Map<string, string>();

/** A colour that the style sheet names. */
export function named(name: string): string {
  let value = known.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    known.set(name, value);
  }
  return value;
}

/** Dark or light: the style sheet has two sets of colours. */
export function setTheme(dark: boolean): void {
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  known.clear();
}
