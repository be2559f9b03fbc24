// What the page is given: `automarkerlabel/review/report/view.py` says what each part means.

export interface Piece {
  column: number;
  start: number;
  stop: number;
  label: number;
  confidence: number;
  second: number;
  held: boolean;
  course: [number, number][];
}

export interface Doubt {
  piece: number;
  label: string;
  column: string;
  first: number;
  last: number;
  confidence: number | null;
  second: string;
  why: string;
}

export interface Cut {
  column: number;
  frame: number;
  before: string | null;
  after: string | null;
  why: string;
}

/** What decided, of one piece; shares are between 0 and 1. */
export interface Looked {
  labels: [number, number][];
  neighbours: [number, number][];
  samples: [number, number][];
}

export interface Attention {
  mechanism: string;
  about: string;
  left_out: string;
  pieces: Record<string, Looked>;
}

export interface Packed {
  shape: [number, number];
  step_mm: number;
  offset_mm: [number, number, number];
  left_out: number;
}

export interface Editing {
  undo: number;
  redo: number;
  edits: number;
  unsaved: boolean;
  message: string;
}

export interface View {
  version: number;
  title: string;
  source: string;
  labelled_by: string;
  rate_hz: number;
  first_frame: number;
  n_frames: number;
  columns: string[];
  computed: number[];
  labels: string[];
  segments: (string | null)[];
  sticks: [number, number][];
  pairs: [number, number][];
  pieces: Piece[];
  doubts: Doubt[];
  cuts: Cut[];
  facts: [string, string][];
  notes: string[];
  attention: Attention | null;
  points: Packed;
  editing: Editing | null;
}
