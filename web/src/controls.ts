import { button, el } from "./dom";
import type { Store, Options } from "./store";
import { SPEEDS } from "./store";

const CALM_MS = 100; // how often numbers change while playing

function choice<T extends string>(
  name: string,
  values: readonly T[],
  now: () => T,
  set: (value: T) => void,
  store: Store,
): HTMLElement {
  const list = el("select", { "aria-label": name }, ...values.map((v) => el("option", { value: v }, v)));
  list.addEventListener("change", () => set(list.value as T));
  const show = () => (list.value = now());
  store.on(["options", "playing"], show);
  show();
  return el("label", {}, `${name} `, list);
}

function tick(
  name: string,
  key: keyof { [K in keyof Options as Options[K] extends boolean ? K : never]: true },
  store: Store,
): HTMLElement {
  const box = el("input", { type: "checkbox" });
  box.addEventListener("change", () => store.set(key, box.checked));
  const show = () => (box.checked = store.options[key]);
  store.on(["options"], show);
  show();
  return el("label", {}, box, ` ${name}`);
}

/** How the 3-D view draws. */
export function viewControls(store: Store, view: { fit(): void } | null): HTMLElement {
  return el(
    "div",
    { class: "row options", role: "group", "aria-label": "Display" },
    choice(
      "colour by",
      ["label", "segment", "confidence"] as const,
      () => store.options.colourBy,
      (v) => store.set("colourBy", v),
      store,
    ),
    choice(
      "trails",
      ["none", "chosen", "all"] as const,
      () => store.options.trails,
      (v) => store.set("trails", v),
      store,
    ),
    tick("sticks", "sticks", store),
    tick("names", "names", store),
    tick("unlabelled", "unlabelled", store),
    ...(store.model.computed.size > 0 ? [tick("computed", "computed", store)] : []),
    tick("follow", "follow", store),
    button("whole body", "5", () => view?.fit()),
  );
}

/** Play, frame and speed. */
export function transport(store: Store): HTMLElement {
  const { view } = store.model;
  const play = button("play", "Space", () => store.play(!store.playing));
  const slider = el("input", {
    type: "range",
    min: 0,
    max: Math.max(0, view.n_frames - 1),
    step: 1,
    value: 0,
    "aria-label": "frame",
  });
  const field = el("input", {
    type: "number",
    min: view.first_frame,
    max: view.first_frame + view.n_frames - 1,
    "aria-label": "go to frame",
  });
  const time = el("span", { class: "time" });
  slider.addEventListener("input", () => store.toFrame(Number(slider.value)));
  field.addEventListener("change", () => store.toFrame(Number(field.value) - view.first_frame));
  const show = () => {
    const told = store.model.told(store.frame);
    slider.value = String(store.frame);
    if (document.activeElement !== field) field.value = told;
    time.textContent = `${(store.frame / view.rate_hz).toFixed(3)} s of ${((view.n_frames - 1) / view.rate_hz).toFixed(3)} s`;
    if (!store.playing) slider.setAttribute("aria-valuetext", `frame ${told}`);
  };
  const showPlaying = () => {
    play.firstChild!.textContent = store.playing ? "pause" : "play";
    play.setAttribute("aria-pressed", String(store.playing));
  };
  let last = 0;
  store.on(["frame", "playing"], () => {
    const now = performance.now();
    if (store.playing && now - last < CALM_MS) return;
    last = now;
    show();
  });
  store.on(["playing"], showPlaying);
  show();
  const speeds = SPEEDS.map((s) => `${s}×`);
  return el(
    "div",
    { class: "row transport", role: "group", "aria-label": "Playing" },
    play,
    choice(
      "speed",
      speeds,
      () => `${store.speed}×`,
      (v) => store.setSpeed(parseFloat(v)),
      store,
    ),
    slider,
    el("label", {}, "frame ", field),
    time,
  );
}
