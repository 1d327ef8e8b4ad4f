// The list of threads: rows are kept and changed in place, so that a refresh moves nothing under the pointer.

import { element } from "./elements.js";
import { ago, length, number } from "./format.js";
import { oneLine } from "./text.js";

const SCORES_MAX = 3;

export class ThreadList {
  constructor(list, open) {
    this.list = list;
    this.open = open;
    this.rows = new Map();
  }

  show(threads, selected) {
    const before = this.rows;
    this.rows = new Map();
    threads.forEach((thread, position) => {
      const row = before.get(thread.id) ?? this.row(thread.id);
      before.delete(thread.id);
      this.rows.set(thread.id, row);
      this.fill(row, thread, thread.id === selected);
      if (this.list.children[position] !== row.item) this.list.insertBefore(row.item, this.list.children[position] ?? null);
    });
    for (const row of before.values()) row.item.remove();
  }

  select(id) {
    for (const [other, row] of this.rows) row.button.setAttribute("aria-current", String(other === id));
  }

  row(id) {
    const parts = {
      status: element("span", { className: "badge" }),
      id: element("span", { className: "id", text: id, title: id }),
      when: element("time", { className: "when" }),
      first: element("p", { className: "said user" }),
      last: element("p", { className: "said" }),
      facts: element("p", { className: "facts" }),
    };
    const head = element("span", { className: "row-head" }, parts.status, parts.id, parts.when);
    const button = element("button", { className: "row", attributes: { type: "button" }, on: { click: () => this.open(id) } },
      head, parts.first, parts.last, parts.facts);
    return { ...parts, button, item: element("li", {}, button), seen: null };
  }

  fill(row, thread, selected) {
    row.button.setAttribute("aria-current", String(selected));
    row.when.textContent = ago(thread.last_updated_at);
    const seen = JSON.stringify(thread);
    if (row.seen === seen) return;
    const changed = row.seen !== null;
    row.seen = seen;
    row.status.textContent = thread.status;
    row.status.className = `badge ${thread.status === "active" ? "active" : "inactive"}`;
    row.when.dateTime = thread.last_updated_at;
    row.first.textContent = oneLine(thread.first_message, "user") || "(no input yet)";
    row.last.textContent = oneLine(thread.last_message, "assistant") || "(no answer yet)";
    row.facts.replaceChildren(...facts(thread));
    if (changed) flash(row.item);
  }
}

export function facts(thread) {
  const count = thread.number_of_messages;
  const made = [element("span", { text: `${number(count)} messages` })];
  if (thread.duration !== undefined) made.push(element("span", { text: length(thread.duration) }));
  const scores = thread.feedback_scores ?? [];
  for (const score of scores.slice(0, SCORES_MAX)) made.push(scoreChip(score));
  if (scores.length > SCORES_MAX) made.push(element("span", { text: `+${scores.length - SCORES_MAX}` }));
  for (const tag of thread.tags ?? []) made.push(element("span", { className: "tag", text: tag }));
  return made;
}

export function scoreChip(score) {
  const by = `${score.name}: ${score.value}${score.reason ? `, ${score.reason}` : ""}`;
  return element("span", { className: "chip", title: by },
    element("span", { className: "chip-name", text: score.name }), element("b", { text: number(score.value) }));
}

function flash(item) {
  item.classList.remove("changed");
  requestAnimationFrame(() => item.classList.add("changed"));
}
