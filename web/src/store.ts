import type { Chosen, Model } from "./model";

export type ColourBy = "label" | "segment" | "confidence";
export type Trails = "none" | "chosen" | "all";
export type Change = "frame" | "playing" | "chosen" | "options" | "view" | "span" | "theme";

export interface Options {
  colourBy: ColourBy;
  trails: Trails;
  sticks: boolean;
  names: boolean;
  unlabelled: boolean;
  computed: boolean;
  follow: boolean;
}

export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const COLOURS: ColourBy[] = ["label", "segment", "confidence"];
const TRAILS: Trails[] = ["none", "chosen", "all"];

/** What the page shows at the moment. Its parts listen for what changes, and change it through its methods alone. */
export class Store {
  frame = 0;
  playing = false;
  speed = 1;
  chosen: Chosen | null = null;
  span: [number, number]; // frames that the timeline and the traces show, the last exclusive
  readonly options: Options = {
    colourBy: "label",
    trails: "chosen",
    sticks: true,
    names: false,
    unlabelled: true,
    computed: false,
    follow: true,
  };
  private readonly listeners: [Change[], () => void][] = [];

  constructor(public model: Model) {
    this.span = [0, model.view.n_frames];
    if (model.view.segments.some((s) => s !== null)) this.options.colourBy = "segment";
  }

  on(changes: Change[], listener: () => void): void {
    this.listeners.push([changes, listener]);
  }

  emit(change: Change): void {
    for (const [changes, listener] of this.listeners) if (changes.includes(change)) listener();
  }

  toFrame(frame: number): void {
    const to = Math.max(0, Math.min(this.model.view.n_frames - 1, Math.round(frame)));
    if (to === this.frame) return;
    this.frame = to;
    if (!this.playing && (to < this.span[0] || to >= this.span[1])) this.pan(to - (this.span[0] + this.span[1]) / 2);
    this.emit("frame");
  }

  play(playing: boolean): void {
    this.playing = playing;
    this.emit("playing");
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    this.emit("playing");
  }

  changeSpeed(by: number): void {
    const at = SPEEDS.indexOf(this.speed);
    this.setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + by))]!);
  }

  choose(chosen: Chosen | null): void {
    this.chosen = chosen;
    this.emit("chosen");
  }

  choosePiece(n: number): void {
    this.choose({ label: this.model.piece(n).label, piece: n });
  }

  /** The chosen piece now, -1 for none. */
  get piece(): number {
    return this.model.pieceOfChosen(this.chosen, this.frame);
  }

  set<K extends keyof Options>(name: K, value: Options[K]): void {
    this.options[name] = value;
    this.emit("options");
  }

  nextColour(): void {
    this.set("colourBy", COLOURS[(COLOURS.indexOf(this.options.colourBy) + 1) % COLOURS.length]!);
  }

  nextTrails(): void {
    this.set("trails", TRAILS[(TRAILS.indexOf(this.options.trails) + 1) % TRAILS.length]!);
  }

  /** Another view of the same trial, after an edit: what is chosen stays so, by its place. */
  setModel(model: Model): void {
    const piece = this.piece;
    const column = piece >= 0 ? this.model.piece(piece).column : -1;
    const within =
      piece >= 0 ? Math.min(Math.max(this.frame, this.model.piece(piece).start), this.model.piece(piece).stop - 1) : 0;
    this.model = model;
    const now = column >= 0 ? model.pieceAt(column, within) : -1;
    this.chosen = now >= 0 ? { label: model.piece(now).label, piece: now } : null;
    this.emit("view");
    this.emit("chosen");
  }

  zoom(factor: number, about = this.frame): void {
    const n = this.model.view.n_frames;
    const [a, b] = this.span;
    const width = Math.max(Math.min(10, n), Math.min(n, (b - a) * factor));
    const start = Math.max(0, Math.min(n - width, about - ((about - a) / (b - a)) * width));
    this.span = [start, start + width];
    this.emit("span");
  }

  pan(frames: number): void {
    const n = this.model.view.n_frames;
    const width = this.span[1] - this.span[0];
    const start = Math.max(0, Math.min(n - width, this.span[0] + frames));
    this.span = [start, start + width];
    this.emit("span");
  }
}
