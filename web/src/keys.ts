import { button, el } from "./dom";

/** A key and what it does; its words stand in the help. */
export interface Shortcut {
  keys: string[]; // as `KeyboardEvent.key` has them, "Ctrl+" and "Shift+" before
  about: string;
  action: () => void;
}

export interface Group {
  title: string;
  shortcuts: Shortcut[];
}

const SHOWN: Record<string, string> = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

function told(key: string): string {
  return key
    .split(/(?<=.)\+(?=.)/)
    .map((part) => SHOWN[part] ?? part)
    .join("+");
}

function keyOf(event: KeyboardEvent): string {
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  const named = event.key.length > 1 || control !== "";
  return `${control}${event.shiftKey && named ? "Shift+" : ""}${named && event.key.length === 1 ? event.key.toLowerCase() : event.key}`;
}

/** Whether a key belongs to the element that has the focus rather than to the page. */
function takenBy(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const dialog = target.closest("dialog");
  if (dialog !== null) return dialog.open; // one that is just closing has the focus for a moment longer
  if (target instanceof HTMLSelectElement || target instanceof HTMLInputElement) {
    const slides = target instanceof HTMLInputElement && ["range", "checkbox"].includes(target.type);
    return slides ? /^(Shift\+)?(Arrow|Home|End|Page| )/.test(key) : true;
  }
  return target instanceof HTMLButtonElement && (key === " " || key === "Enter");
}

/** Listens for the shortcuts of all groups, and shows them when asked. */
export class Keys {
  readonly dialog = el("dialog", { class: "help", "aria-label": "Keys" });

  constructor(groups: Group[]) {
    groups[groups.length - 1]!.shortcuts.push({
      keys: ["?"],
      about: "show or hide this list",
      action: () => this.toggle(),
    });
    const actions = new Map(
      groups.flatMap((g) => g.shortcuts.flatMap((s) => s.keys.map((key) => [key, s.action] as const))),
    );
    document.addEventListener("keydown", (event) => {
      const key = keyOf(event);
      if (event.altKey || event.isComposing) return;
      if (key === "?" && this.dialog.open) return this.toggle();
      const action = actions.get(key);
      if (action === undefined || takenBy(event.target, key)) return;
      event.preventDefault();
      action();
    });
    const table = (g: Group) =>
      el(
        "section",
        {},
        el("h3", {}, g.title),
        el(
          "dl",
          {},
          ...g.shortcuts.flatMap((s) => [
            el("dt", {}, ...s.keys.flatMap((k, n) => [n ? " " : "", el("kbd", {}, told(k))])),
            el("dd", {}, s.about),
          ]),
        ),
      );
    this.dialog.append(
      el("h2", {}, "Keys"),
      el("div", { class: "columns" }, ...groups.map(table)),
      button("close", "Esc", () => this.toggle()),
    );
  }

  toggle(): void {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }
}
