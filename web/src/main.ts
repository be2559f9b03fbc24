import { isDark, setTheme } from "./colours";
import { transport, viewControls } from "./controls";
import { button, el, share } from "./dom";
import { Editor } from "./editing";
import { Keys } from "./keys";
import type { Group } from "./keys";
import { Model } from "./model";
import { Overlay } from "./overlay";
import { AttentionPanel, factsPanel, Legend, MarkerPanel, ReviewList, tabs } from "./panels";
import { fromBase64, gunzip, Points } from "./points";
import { View3D } from "./scene";
import { Store } from "./store";
import { Timeline } from "./timeline";
import { Traces } from "./traces";
import type { View } from "./types";

const KNOWN_VERSION = 1;
const DARK = matchMedia("(prefers-color-scheme: dark)");
const PANELS_MS = 100; // how often words change while playing

/** The view and its points: inside this page, or beside it where a server hands them out. */
async function loaded(): Promise<Model> {
  const inside = document.getElementById("view");
  const [view, bytes] =
    inside !== null
      ? [JSON.parse(inside.textContent!) as View, fromBase64(document.getElementById("points")!.textContent!)]
      : await Promise.all([
          asked("api/view").then((r) => r.json() as Promise<View>),
          asked("api/points").then(async (r) => new Uint8Array(await r.arrayBuffer())),
        ]);
  if (view.version !== KNOWN_VERSION)
    throw new Error(`expected a view of version ${KNOWN_VERSION}, found ${view.version}`);
  return new Model(view, new Points(view.points, await gunzip(bytes)));
}

async function asked(address: string): Promise<Response> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: the server answered ${response.status}`);
  return response;
}

function keyGroups(
  store: Store,
  view: View3D | null,
  timeline: Timeline,
  review: ReviewList,
  editor: Editor | null,
): Group[] {
  const turn =
    (aside: number, up: number, nearer = 1) =>
    () =>
      view?.turn(aside, up, nearer);
  const look = (x: number, y: number, z: number) => () => view?.fit([x, y, z]);
  const step = (by: number) => () => {
    store.play(false);
    store.toFrame(store.frame + by);
  };
  const second = Math.max(2, Math.round(store.model.view.rate_hz / 10));
  return [
    {
      title: "Time",
      shortcuts: [
        { keys: [" "], about: "play or pause", action: () => store.play(!store.playing) },
        { keys: ["ArrowLeft"], about: "one frame back", action: step(-1) },
        { keys: ["ArrowRight"], about: "one frame on", action: step(1) },
        { keys: ["Shift+ArrowLeft", "PageUp"], about: "a tenth of a second back", action: step(-second) },
        { keys: ["Shift+ArrowRight", "PageDown"], about: "a tenth of a second on", action: step(second) },
        { keys: ["Home"], about: "first frame", action: () => store.toFrame(0) },
        { keys: ["End"], about: "last frame", action: () => store.toFrame(Infinity) },
        { keys: [","], about: "slower", action: () => store.changeSpeed(-1) },
        { keys: ["."], about: "faster", action: () => store.changeSpeed(1) },
      ],
    },
    {
      title: "What to look at",
      shortcuts: [
        { keys: ["ArrowDown"], about: "next label", action: () => timeline.step(1) },
        { keys: ["ArrowUp"], about: "label before", action: () => timeline.step(-1) },
        { keys: ["n"], about: "next to review", action: () => review.step(1) },
        { keys: ["N"], about: "one before to review", action: () => review.step(-1) },
        { keys: ["]"], about: "next border of the chosen marker's pieces", action: () => toBorder(store, 1) },
        { keys: ["["], about: "border before", action: () => toBorder(store, -1) },
        { keys: ["Escape"], about: "choose nothing", action: () => store.choose(null) },
        { keys: ["+", "="], about: "zoom into time", action: () => store.zoom(0.5) },
        { keys: ["-"], about: "zoom out of time", action: () => store.zoom(2) },
      ],
    },
    {
      title: "3-D view",
      shortcuts: [
        { keys: ["4"], about: "turn left", action: turn(-10, 0) },
        { keys: ["6"], about: "turn right", action: turn(10, 0) },
        { keys: ["8"], about: "from higher", action: turn(0, 10) },
        { keys: ["2"], about: "from lower", action: turn(0, -10) },
        { keys: ["9"], about: "nearer", action: turn(0, 0, 1.2) },
        { keys: ["0"], about: "farther", action: turn(0, 0, 1 / 1.2) },
        { keys: ["5"], about: "whole body", action: () => view?.fit() },
        { keys: ["1"], about: "along x", action: look(1, 0, 0.02) },
        { keys: ["3"], about: "along y", action: look(0, 1, 0.02) },
        { keys: ["7"], about: "from above", action: look(0, -0.02, 1) },
        { keys: ["c"], about: "next way to colour", action: () => store.nextColour() },
        { keys: ["t"], about: "next kind of trails", action: () => store.nextTrails() },
        { keys: ["s"], about: "sticks", action: () => store.set("sticks", !store.options.sticks) },
        { keys: ["l"], about: "names of labels", action: () => store.set("names", !store.options.names) },
        { keys: ["u"], about: "unlabelled points", action: () => store.set("unlabelled", !store.options.unlabelled) },
        { keys: ["f"], about: "follow the body", action: () => store.set("follow", !store.options.follow) },
      ],
    },
    ...(editor === null ? [] : [{ title: "Correct", shortcuts: editor.shortcuts }]),
    { title: "Page", shortcuts: [{ keys: ["d"], about: "dark or light", action: () => switchTheme(store) }] },
  ];
}

/** To the next start or end of the pieces of what is chosen. */
function toBorder(store: Store, way: number): void {
  const { model, chosen, frame } = store;
  if (chosen === null) return;
  const pieces = chosen.label >= 0 ? model.ofLabel[chosen.label]! : [chosen.piece];
  const borders = pieces
    .flatMap((n) => [model.piece(n).start, model.piece(n).stop - 1])
    .filter((f) => (f - frame) * way > 0);
  if (borders.length > 0) store.toFrame(way > 0 ? Math.min(...borders) : Math.max(...borders));
}

function switchTheme(store: Store, dark = !isDark()): void {
  setTheme(dark);
  store.emit("theme");
}

function announce(store: Store): HTMLElement {
  const live = el("p", { class: "only-heard", "aria-live": "polite" });
  store.on(["chosen"], () => {
    const { model, piece, frame, chosen } = store;
    if (chosen === null) live.textContent = "nothing chosen";
    else if (piece < 0) live.textContent = `${model.labelName(chosen.label)}, missing`;
    else
      live.textContent = `${model.nameOf(piece)}, confidence ${share(model.confidence(piece, frame))}, frame ${model.told(frame)}`;
  });
  return live;
}

function view3D(store: Store, place: HTMLElement): [View3D, Overlay] | null {
  try {
    const view = new View3D(store);
    const overlay = new Overlay(store, view);
    view.canvas.tabIndex = 0;
    view.canvas.setAttribute("aria-label", "3-D view; 4, 6, 8 and 2 turn it, 9 and 0 zoom");
    view.canvas.setAttribute("role", "img");
    place.append(view.canvas, overlay.canvas);
    new ResizeObserver(() => {
      view.resize(place.clientWidth, place.clientHeight);
      overlay.resize(place.clientWidth, place.clientHeight);
    }).observe(place);
    return [view, overlay];
  } catch {
    place.append(el("p", { class: "hint" }, "This browser draws no 3-D: WebGL is switched off. All else works."));
    return null;
  }
}

function build(model: Model): void {
  const store = new Store(model);
  const place = el("div", { class: "view" });
  const drawn = view3D(store, place);
  const [timeline, traces, marker] = [new Timeline(store), new Traces(store), new MarkerPanel(store)];
  const [attention, review, legend] = [new AttentionPanel(store), new ReviewList(store), new Legend(store)];
  const { view } = model;
  const editor =
    view.editing === null
      ? null
      : new Editor(store, (next) => store.setModel(new Model({ ...next, points: view.points }, store.model.points)));
  const keys = new Keys(keyGroups(store, drawn?.[0] ?? null, timeline, review, editor));
  document.title = view.title;
  place.append(legend.element);
  const lower = tabs([
    [`to review (${view.doubts.length})`, review.element],
    ["facts", factsPanel(store)],
  ]);
  store.on(
    ["view"],
    () => (lower.querySelector("button")!.firstChild!.textContent = `to review (${store.model.view.doubts.length})`),
  );
  document.body.append(
    el(
      "header",
      {},
      el("h1", {}, view.title),
      el("p", {}, `labelled by ${view.labelled_by}`),
      button("dark / light", "d", () => switchTheme(store)),
      button("keys", "?", () => keys.toggle()),
    ),
    el(
      "main",
      {},
      el(
        "section",
        { class: "stage", "aria-label": "3-D view" },
        viewControls(store, drawn?.[0] ?? null),
        place,
        transport(store),
      ),
      el(
        "aside",
        {},
        el(
          "section",
          { class: "chosen", "aria-label": "Chosen marker" },
          marker.element,
          ...(editor ? [editor.element] : []),
          traces.element,
          attention.element,
        ),
        lower,
      ),
      timeline.element,
    ),
    keys.dialog,
    announce(store),
  );
  DARK.addEventListener("change", () => switchTheme(store, DARK.matches));
  run(store, drawn, [timeline], [traces, marker, attention]);
}

/** Draws what has changed, picture after picture; time goes on while playing. */
function run(
  store: Store,
  drawn: [View3D, Overlay] | null,
  always: { draw(): void }[],
  calm: { draw(): void }[],
): void {
  let before = 0;
  let exact = 0;
  let panels = 0;
  const tick = (now: number) => {
    if (store.playing) {
      if (Math.round(exact) !== store.frame) exact = store.frame;
      const [a, b] =
        store.span[1] - store.span[0] < store.model.view.n_frames ? store.span : [0, store.model.view.n_frames];
      exact += ((now - before) / 1000) * store.model.view.rate_hz * store.speed;
      if (exact > b - 1) exact = a; // over again
      store.toFrame(exact);
    }
    before = now;
    if (drawn?.[0].draw(now)) {
      drawn[1].draw();
      document.documentElement.dataset["pictures"] = String(drawn[0].pictures);
      if (drawn[0].pictures === 1) performance.mark("first picture");
    }
    for (const part of always) part.draw();
    if (!store.playing || now - panels > PANELS_MS) {
      panels = now;
      for (const part of calm) part.draw();
    }
    document.documentElement.dataset["frame"] = store.model.told(store.frame);
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

setTheme(DARK.matches);
loaded()
  .then(build)
  .catch((error: unknown) => {
    const text = error instanceof Error ? error.message : String(error);
    document.body.append(el("p", { class: "failed", role: "alert" }, `This page could not be shown: ${text}`));
  });
