import { named, ofConfidence, ofSegments } from "./colours";
import { button, el, facts, share } from "./dom";
import type { Store } from "./store";
import type { Doubt, Looked } from "./types";

const MOST_LISTED = 400;

/** What is known of the chosen marker in this frame. */
export class MarkerPanel {
  readonly element = el("div", { class: "marker" });
  private shown = "";

  constructor(private readonly store: Store) {
    store.on(["chosen", "view"], () => (this.shown = ""));
  }

  draw(): void {
    const { store } = this;
    const key = `${store.piece} ${store.frame} ${JSON.stringify(store.chosen)}`;
    if (key === this.shown) return;
    this.shown = key;
    this.element.replaceChildren(...this.content());
  }

  private content(): Node[] {
    const { model, chosen, frame, piece: n } = this.store;
    if (chosen === null) {
      return [el("p", { class: "hint" }, "Nothing chosen. Click a marker or a row, or press ↓.")];
    }
    const name = chosen.label >= 0 ? model.labelName(chosen.label) : model.nameOf(n);
    const head = el("h2", {}, name, ...(chosen.label < 0 ? [" ", el("small", {}, "no label")] : []));
    if (n < 0) return [head, el("p", {}, "This label was not found anywhere in the trial.")];
    const piece = model.piece(n);
    const sample = model.points.at(piece.column, frame);
    const inside = frame >= piece.start && frame < piece.stop;
    const place =
      sample < 0
        ? "hidden in this frame"
        : [0, 1, 2].map((k) => model.points.values[3 * sample + k]!.toFixed(1)).join(", ") + " mm";
    const segment = chosen.label >= 0 ? model.view.segments[chosen.label] : null;
    const pairs: [string, string][] = [
      ["column", model.columnName(piece.column)],
      ["piece", `frames ${model.told(piece.start)}–${model.told(piece.stop - 1)}${inside ? "" : " (not this frame)"}`],
      [
        "confidence",
        `${share(model.confidence(n, frame))} here, ${share(piece.confidence)} as a whole${piece.held ? "; held" : ""}`,
      ],
      ["second choice", model.labelName(piece.second)],
      ["place", inside ? place : "not in this frame"],
    ];
    if (segment) pairs.splice(1, 0, ["segment", segment]);
    const doubt = model.view.doubts.find((d) => d.piece === n);
    if (doubt) pairs.push(["to review", doubt.why]);
    return [head, facts(pairs)];
  }
}

/** The attention picture of the chosen piece, where it was dumped. */
export class AttentionPanel {
  readonly element = el("div", { class: "attention" });
  private shown = -2;

  constructor(private readonly store: Store) {
    store.on(["view"], () => (this.shown = -2));
  }

  draw(): void {
    const { attention } = this.store.model.view;
    if (attention === null || this.store.piece === this.shown) return;
    this.shown = this.store.piece;
    const looked = attention.pieces[String(this.shown)];
    this.element.replaceChildren();
    if (this.shown < 0) return;
    this.element.append(el("h3", {}, "What decided"));
    if (looked === undefined)
      this.element.append(el("p", { class: "hint" }, `Not dumped for this piece. ${attention.left_out}`));
    else
      this.element.append(
        el("p", { class: "hint" }, attention.about),
        ...this.pictures(looked),
        el("p", { class: "hint" }, attention.left_out),
      );
  }

  private pictures(looked: Looked): Node[] {
    const { model, frame } = this.store;
    const neighbour = (column: number) => {
      const n = model.pieceAt(column, frame);
      return n >= 0 ? model.nameOf(n) : model.columnName(column);
    };
    const parts: [string, [string, number][]][] = [
      ["labels that it looked like", looked.labels.map(([k, part]) => [model.labelName(k), part])],
      ["neighbours that counted", looked.neighbours.map(([c, part]) => [neighbour(c), part])],
      ["samples that counted, in seconds from the middle", looked.samples.map(([s, part]) => [s.toFixed(2), part])],
    ];
    return parts
      .filter(([, bars]) => bars.length > 0)
      .map(([title, bars]) => {
        const most = Math.max(...bars.map(([, part]) => part), 1e-9);
        const rows = bars.map(([name, part]) => {
          const bar = el("span", { class: "bar" });
          bar.style.width = `${(100 * part) / most}%`;
          return el(
            "li",
            {},
            el("span", { class: "name" }, name),
            el("span", { class: "room" }, bar),
            el("span", {}, share(part)),
          );
        });
        return el("figure", {}, el("figcaption", {}, title), el("ul", {}, ...rows));
      });
  }
}

/** The list of what to review; a click or Enter goes there. */
export class ReviewList {
  readonly element = el("div", { class: "review" });
  private at = -1;

  constructor(private readonly store: Store) {
    this.fill();
    store.on(["view"], () => this.fill());
  }

  private fill(): void {
    const { doubts } = this.store.model.view;
    this.at = Math.min(this.at, doubts.length - 1);
    const items = doubts.slice(0, MOST_LISTED).map((d, n) => el("li", {}, this.item(d, n)));
    const more =
      doubts.length > MOST_LISTED
        ? [el("p", { class: "hint" }, `${doubts.length - MOST_LISTED} more are not listed`)]
        : [];
    const none = doubts.length === 0 ? [el("p", { class: "hint" }, "Nothing to review: no label is doubtful.")] : [];
    this.element.replaceChildren(el("ol", {}, ...items), ...more, ...none);
  }

  private item(doubt: Doubt, n: number): HTMLElement {
    const { model } = this.store;
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = ofConfidence(doubt.confidence ?? 0);
    const sure = doubt.confidence === null ? "" : ` · ${share(doubt.confidence)}`;
    const kept = model.piece(doubt.piece).label >= 0;
    const item = el(
      "button",
      { type: "button", click: () => this.go(n) },
      swatch,
      el("b", {}, kept ? doubt.label : `(${doubt.label})`),
      ` ${model.told(doubt.first)}–${model.told(doubt.last)}${sure} · or ${doubt.second}`,
      el("br"),
      el("small", {}, `column ${doubt.column || "without a name"}: ${doubt.why}`),
    );
    item.setAttribute("aria-current", String(n === this.at));
    return item;
  }

  /** To the next or the one before of the list. */
  step(by: number): void {
    const n = Math.min(this.store.model.view.doubts.length, MOST_LISTED);
    if (n > 0) this.go(this.at < 0 ? (by > 0 ? 0 : n - 1) : (this.at + by + n) % n);
  }

  private go(n: number): void {
    const doubt = this.store.model.view.doubts[n]!;
    this.at = n;
    this.element.querySelectorAll("button").forEach((b, k) => b.setAttribute("aria-current", String(k === n)));
    this.element.querySelectorAll("button")[n]?.scrollIntoView({ block: "nearest" });
    this.store.play(false);
    this.store.toFrame(this.lowest(doubt));
    this.store.choosePiece(doubt.piece);
  }

  /** The frame of a doubt in which its label is least sure and to be seen. */
  private lowest(doubt: Doubt): number {
    const { model } = this.store;
    let [best, least] = [doubt.first, Infinity];
    model.points.stretches(model.piece(doubt.piece).column, doubt.first, doubt.last + 1, (first, stop) => {
      for (let frame = first; frame < stop; frame++) {
        const sure = model.confidence(doubt.piece, frame);
        if (sure < least) [best, least] = [frame, sure];
      }
    });
    return best;
  }
}

/** What the run came to, in words. */
export function factsPanel(store: Store): HTMLElement {
  const { view } = store.model;
  const notes = [...view.notes];
  if (view.points.left_out > 0) notes.push(`${view.points.left_out} points are too far away to be drawn`);
  return el(
    "div",
    { class: "facts" },
    facts([["labelled by", view.labelled_by], ...view.facts]),
    ...(notes.length ? [el("h3", {}, "Notes"), el("ul", {}, ...notes.map((x) => el("li", {}, x)))] : []),
  );
}

/** What the colours of the markers mean. */
export class Legend {
  readonly element = el("div", { class: "legend", "aria-label": "Legend" });

  constructor(private readonly store: Store) {
    store.on(["options", "view", "theme"], () => this.fill());
    this.fill();
  }

  private fill(): void {
    const { options, model } = this.store;
    const rows: [string, string, string][] = [];
    if (options.colourBy === "confidence") {
      for (const sure of [0.5, 0.9, 1])
        rows.push(["●", ofConfidence(sure), sure === 0.5 ? "0.5 ? doubtful" : sure === 0.9 ? "0.9" : "1 sure"]);
    } else if (options.colourBy === "segment") {
      for (const [segment, colour] of ofSegments(model.view.segments)) {
        if (segment !== null) rows.push(["●", colour, segment]);
      }
    } else rows.push(["●", named("ink"), "a colour for each label"]);
    rows.push(["◆", named("none"), "no label"]);
    if (model.computed.size > 0)
      rows.push(["■", named("none"), options.computed ? "computed" : "computed (not shown)"]);
    this.element.replaceChildren(
      ...rows.map(([sign, colour, text]) => {
        const mark = el("span", { "aria-hidden": "true" }, sign);
        mark.style.color = colour;
        return el("span", { class: "entry" }, mark, ` ${text}`);
      }),
    );
  }
}

export function tabs(parts: [string, HTMLElement][]): HTMLElement {
  const bar = el("div", { class: "tabs", role: "tablist" });
  const shown = (n: number) =>
    parts.forEach(([, part], k) => {
      part.hidden = k !== n;
      bar.children[k]!.setAttribute("aria-selected", String(k === n));
      (bar.children[k] as HTMLElement).tabIndex = k === n ? 0 : -1;
    });
  parts.forEach(([name, part], n) => {
    const tab = button(name, "", () => shown(n));
    tab.setAttribute("role", "tab");
    part.setAttribute("role", "tabpanel");
    part.setAttribute("aria-label", name);
    bar.append(tab);
  });
  bar.addEventListener("keydown", (e) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (by === undefined) return;
    const now = [...bar.children].indexOf(document.activeElement!);
    const to = (now + by + parts.length) % parts.length;
    shown(to);
    (bar.children[to] as HTMLElement).focus();
    e.stopPropagation();
    e.preventDefault();
  });
  shown(0);
  return el("div", { class: "tabbed" }, bar, ...parts.map(([, part]) => part));
}
