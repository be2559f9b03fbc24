// The only way by which this page makes elements: text is text, never markup.

type Attributes = Record<string, string | number | boolean | ((event: never) => void)>;

/** An element; attributes that are functions listen, false ones are left out. Strings among the children are text. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as EventListener);
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** A button that says which key does the same. */
export function button(text: string, key: string, action: () => void, about = ""): HTMLButtonElement {
  const made = el("button", { type: "button", click: action }, text);
  if (key) made.append(" ", el("kbd", { "aria-hidden": "true" }, key));
  if (about) made.title = about;
  return made;
}

/** A description list of names and values. */
export function facts(pairs: [string, string][]): HTMLDListElement {
  return el("dl", {}, ...pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function share(value: number): string {
  return value === 1 ? "100 %" : `${(100 * value).toFixed(value > 0.999 ? 2 : 1)} %`;
}
