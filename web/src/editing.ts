import { button, el } from "./dom";
import type { Shortcut } from "./keys";
import type { Store } from "./store";
import type { View } from "./types";

interface Choice {
  text: string;
  value: string;
}

/** Asks for one of several things: type to narrow, Enter takes it. `other` says in words what anything else typed is. */
async function ask(title: string, choices: Choice[], other?: string): Promise<string | null> {
  const field = el("input", { type: "text", autocomplete: "off", "aria-label": "narrow the list" });
  const list = el("select", { size: 10, "aria-label": title });
  const fill = () => {
    const typed = field.value.trim();
    const found = choices.filter((c) => c.text.toLowerCase().includes(typed.toLowerCase()));
    const exact = found.findIndex((c) => c.value.toLowerCase() === typed.toLowerCase());
    if (other !== undefined && typed !== "" && !choices.some((c) => c.value === typed))
      found.push({ text: `${typed} – ${other}`, value: typed });
    list.replaceChildren(...found.map((c) => el("option", { value: c.value }, c.text)));
    list.selectedIndex = Math.max(0, exact);
  };
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", {}, title),
    field,
    list,
    el(
      "div",
      { class: "row" },
      el("button", { value: "take" }, "take ", el("kbd", {}, "Enter")),
      el("button", { value: "" }, "cancel ", el("kbd", {}, "Esc")),
    ),
  );
  const dialog = el("dialog", { class: "ask", "aria-label": title }, form);
  field.addEventListener("input", fill);
  field.addEventListener("keydown", (e) => {
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    list.selectedIndex = Math.max(0, Math.min(list.length - 1, list.selectedIndex + (e.key === "ArrowDown" ? 1 : -1)));
    e.preventDefault();
  });
  list.addEventListener("dblclick", () => dialog.close("take"));
  list.addEventListener("keydown", (e) => e.key === "Enter" && (e.preventDefault(), dialog.close("take")));
  fill();
  document.body.append(dialog);
  dialog.showModal();
  field.focus();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  dialog.remove();
  return dialog.returnValue === "take" && list.value !== "" ? list.value : null;
}

/** Buttons and keys that correct labels; the server makes the changes, and answers with the view as it is then. */
export class Editor {
  readonly element = el("section", { class: "editing", "aria-label": "Correct" });
  readonly shortcuts: Shortcut[];
  private readonly said = el("p", { class: "said", role: "status" });
  private readonly count = el("p", { class: "hint" });
  private readonly undo: HTMLButtonElement;
  private readonly redo: HTMLButtonElement;
  private waiting = 0; // that were sent and not yet answered
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: Store,
    private readonly take: (view: View) => void,
  ) {
    const edit = (op: string) => () => this.edit({ op });
    const actions: [string, string, string, () => void][] = [
      ["rename", "r", "give the piece another label", () => this.rename()],
      ["accept", "a", "hold the label as it is", edit("accept")],
      ["clear", "x", "take the label away", edit("clear")],
      ["split", "b", "break the piece in two at this frame", edit("split")],
      ["join", "j", "join the piece with the next one of its column", edit("join")],
      ["swap", "w", "exchange labels with another marker from this frame on", () => this.swap()],
      ["flip", "v", "exchange the label with its left or right mate from this frame on", edit("flip")],
      [
        "flip all",
        "V",
        "exchange all left and right labels from this frame on",
        () => this.send("edit", { op: "flip_all", frame: store.frame }),
      ],
    ];
    this.undo = button("undo", "Ctrl+Z", () => this.send("undo"));
    this.redo = button("redo", "Ctrl+Y", () => this.send("redo"));
    const whole = [
      this.undo,
      this.redo,
      button("label the rest anew", "R", () => this.relabel()),
      button("save", "Ctrl+S", () => this.send("save")),
    ];
    this.element.append(
      el("div", { class: "row" }, ...actions.map(([text, key, about, action]) => button(text, key, action, about))),
      el("div", { class: "row" }, ...whole),
      this.count,
      this.said,
    );
    this.shortcuts = [
      ...actions.map(([text, key, about, action]) => ({ keys: [key], about: `${text}: ${about}`, action })),
      { keys: ["Ctrl+z"], about: "undo", action: () => this.send("undo") },
      { keys: ["Ctrl+y", "Ctrl+Shift+z"], about: "redo", action: () => this.send("redo") },
      { keys: ["R"], about: "label the rest anew, with what is held kept", action: () => this.relabel() },
      { keys: ["Ctrl+s"], about: "save", action: () => this.send("save") },
    ];
    this.show();
  }

  private show(): void {
    const { editing } = this.store.model.view;
    if (editing === null) return;
    this.undo.disabled = editing.undo === 0;
    this.redo.disabled = editing.redo === 0;
    this.count.textContent = `${editing.edits} ${editing.edits === 1 ? "edit" : "edits"}${editing.unsaved ? ", not yet saved" : editing.edits > 0 ? ", saved" : ""}`;
    this.said.textContent = editing.message;
  }

  /** The chosen point, where it is in this frame; otherwise says what is lacking. */
  private target(): { column: number; frame: number } | null {
    const { store } = this;
    const n = store.piece;
    const piece = n < 0 ? null : store.model.piece(n);
    if (piece !== null && store.frame >= piece.start && store.frame < piece.stop)
      return { column: piece.column, frame: store.frame };
    this.said.textContent =
      piece === null
        ? "Choose a marker first."
        : "The chosen marker has no piece in this frame: go to one that it is in.";
    return null;
  }

  private edit(what: Record<string, unknown>): void {
    const target = this.target();
    if (target !== null) void this.send("edit", { ...target, ...what });
  }

  private async rename(): Promise<void> {
    const target = this.target();
    if (target === null) return;
    const { model, frame, piece } = this.store;
    const { label, second } = model.piece(piece);
    const seen = (k: number) => {
      const n = model.pieceOf(k, frame);
      return n >= 0 && model.points.at(model.piece(n).column, frame) >= 0;
    };
    const rank = (k: number) => (k === second ? 0 : seen(k) ? 2 : 1);
    const order = model.view.labels
      .map((_, k) => k)
      .filter((k) => k !== label)
      .sort((a, b) => rank(a) - rank(b));
    const about = ["the second choice", "not seen in this frame", "carried by another marker now"];
    const to = await ask(
      `${model.nameOf(piece)} becomes`,
      order.map((k) => ({ text: `${model.labelName(k)} – ${about[rank(k)]}`, value: model.labelName(k) })),
      "a new label",
    );
    if (to !== null) await this.send("edit", { op: "rename", ...target, label: to });
  }

  private async swap(): Promise<void> {
    const target = this.target();
    if (target === null) return;
    const { model, frame, piece } = this.store;
    const { values } = model.points;
    const here = model.points.at(target.column, frame);
    const others: { column: number; n: number; away: number }[] = [];
    model.view.columns.forEach((_, column) => {
      const n = column === target.column ? -1 : model.pieceAt(column, frame);
      if (n < 0) return;
      const there = model.points.at(column, frame);
      const away =
        here < 0 || there < 0
          ? Infinity
          : Math.hypot(...[0, 1, 2].map((k) => values[3 * here + k]! - values[3 * there + k]!));
      others.push({ column, n, away });
    });
    others.sort((a, b) => a.away - b.away);
    const text = (o: (typeof others)[number]) =>
      `${model.nameOf(o.n)} – ${o.away === Infinity ? "hidden" : `${o.away.toFixed(0)} mm away`}, column ${model.columnName(o.column)}`;
    const other = await ask(
      `${model.nameOf(piece)} changes places with`,
      others.map((o) => ({ text: text(o), value: String(o.column) })),
    );
    if (other !== null) await this.send("edit", { op: "swap", ...target, column2: Number(other) });
  }

  private async relabel(): Promise<void> {
    this.said.textContent = "Labelling the rest …";
    await this.send("relabel");
  }

  /** Sends one thing after the other, in the order in which they were asked for. */
  private send(to: string, what: Record<string, unknown> = {}): Promise<void> {
    this.waiting++;
    this.element.setAttribute("aria-busy", "true");
    this.last = this.last
      .then(() => this.post(to, what))
      .finally(() => {
        if (--this.waiting === 0) this.element.removeAttribute("aria-busy");
      });
    return this.last;
  }

  private async post(to: string, what: Record<string, unknown>): Promise<void> {
    try {
      const response = await fetch(`api/${to}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(what),
      });
      const answer = (await response.json()) as View & { error?: string; view?: View };
      if (!response.ok) this.said.textContent = answer.error ?? `The server refused (${response.status}).`;
      else {
        this.take(answer.view ?? answer);
        this.show();
      }
    } catch {
      this.said.textContent =
        "The server does not answer. Edits up to here are in its journal: start `aml review` again, which opens a new page.";
    }
  }
}
