// One conversation as chat bubbles, with times, errors, scores and the buttons that rate and close.

import * as api from "./api.js";
import { BACK, THUMB_DOWN, THUMB_UP, element, icon, renewed } from "./elements.js";
import { clock, day, length, money, number } from "./format.js";
import { facts, scoreChip } from "./threads.js";
import { json, words } from "./text.js";

const PAUSE_MS = 60_000;
const FOLD_CHARACTERS = 4000;

export class Conversation {
  constructor(node, { notice, changed, close }) {
    this.node = node;
    this.notice = notice;
    this.changed = changed;
    this.close = close;
    this.head = element("header", { className: "talk-head" });
    this.flow = element("div", { className: "flow", attributes: { tabindex: "0", role: "log", "aria-label": "Messages" } });
    this.turns = new Map();
    this.pending = new Map();
  }

  clear(content) {
    this.turns.clear();
    this.pending.clear();
    this.flow.replaceChildren();
    this.node.replaceChildren(content);
  }

  begin() {
    this.clear(this.head);
    this.node.append(this.flow);
    this.fresh = true;
  }

  show(projectId, thread, page) {
    renewed(this.head, JSON.stringify(thread), () => this.title(projectId, thread));
    const atEnd = this.flow.scrollHeight - this.flow.scrollTop - this.flow.clientHeight < 80;
    const turns = [...page.content].reverse();
    renewed(this.flow, JSON.stringify([turns, page.total, [...this.pending]]), () => this.bubbles(turns, page.total));
    if (this.fresh || atEnd) this.flow.scrollTop = this.flow.scrollHeight;
    this.fresh = false;
    this.last = { projectId, thread, page };
  }

  again() {
    if (this.last) this.show(this.last.projectId, this.last.thread, this.last.page);
  }

  title(projectId, thread) {
    const active = thread.status === "active";
    const back = element("button", { className: "icon back", attributes: { type: "button", "aria-label": "Back to the list" },
      on: { click: this.close } }, icon(BACK));
    const act = active ? "close" : "open";
    const button = element("button", { className: "action", text: active ? "Mark as inactive" : "Reopen",
      title: active ? "Ends this session; the next message begins a new one" : "Makes the thread active again",
      attributes: { type: "button" } });
    button.addEventListener("click", () => this.status(button, projectId, thread.id, act));
    const named = element("div", { className: "named" },
      element("h2", { text: thread.id, title: thread.id }),
      element("p", { className: "facts" },
        element("span", { className: `badge ${active ? "active" : "inactive"}`, text: thread.status }), ...facts(thread),
        thread.total_estimated_cost ? element("span", { text: money(thread.total_estimated_cost) }) : null,
        thread.usage?.total_tokens ? element("span", { text: `${number(thread.usage.total_tokens)} tokens` }) : null));
    return [back, named, button];
  }

  bubbles(turns, total) {
    const made = [];
    if (total > turns.length) {
      made.push(element("p", { className: "divider", text: `the newest ${number(turns.length)} of ${number(total)} turns` }));
    }
    let previous = null;
    for (const turn of turns) {
      if (!previous || day(previous.start_time) !== day(turn.start_time)) {
        made.push(element("p", { className: "divider", text: day(turn.start_time) }));
      } else {
        const pause = Date.parse(turn.start_time) - Date.parse(previous.end_time ?? previous.start_time);
        if (pause >= PAUSE_MS) made.push(element("p", { className: "divider", text: `${length(pause)} later` }));
      }
      made.push(this.turn(turn));
      previous = turn;
    }
    return made;
  }

  turn(turn) {
    const asked = bubble("user", turn.input, clock(turn.start_time));
    const took = turn.duration === undefined ? null : `took ${length(turn.duration)}`;
    const said = turn.error_info ? failure(turn.error_info)
      : turn.output === undefined && turn.end_time === undefined
        ? element("div", { className: "bubble assistant waiting" }, element("p", { text: "Waiting for the answer" }))
        : bubble("assistant", turn.output, [turn.end_time && clock(turn.end_time), took].filter(Boolean).join(" · "));
    return element("article", { className: "turn", attributes: { "data-trace": turn.id } }, asked, said, this.review(turn));
  }

  review(turn) {
    const scores = turn.feedback_scores ?? [];
    const given = this.pending.has(turn.id) ? this.pending.get(turn.id)
      : scores.find((score) => score.name === api.FEEDBACK)?.value;
    const thumb = (value, path, label) => element("button", {
      className: `icon thumb${given === value ? " on" : ""}`, title: label,
      attributes: { type: "button", "aria-label": label, "aria-pressed": String(given === value) },
      on: { click: () => this.rate(turn.id, given === value ? null : value) },
    }, icon(path));
    return element("footer", { className: "review" },
      thumb(1, THUMB_UP, "Good answer"), thumb(0, THUMB_DOWN, "Bad answer"),
      ...scores.filter((score) => score.name !== api.FEEDBACK).map(scoreChip));
  }

  // A rating shows at once. It stays ours until the stored one says the same, or until it failed.
  async rate(traceId, value) {
    this.pending.set(traceId, value);
    this.again();
    try {
      await (value === null ? api.unrate(traceId) : api.rate(traceId, value));
      this.changed();
    } catch (error) {
      this.pending.delete(traceId);
      this.again();
      this.notice(`The rating was not saved. ${error.message}`);
    }
  }

  confirm(page) {
    for (const turn of page.content) {
      const stored = turn.feedback_scores?.find((score) => score.name === api.FEEDBACK)?.value ?? null;
      if (this.pending.get(turn.id) === stored) this.pending.delete(turn.id);
    }
  }

  async status(button, projectId, threadId, act) {
    button.disabled = true;
    try {
      await api.setStatus(projectId, threadId, act);
      this.changed();
    } catch (error) {
      this.notice(`The status was not changed. ${error.message}`);
    } finally {
      button.disabled = false;
    }
  }
}

function bubble(side, value, note) {
  const empty = value === undefined || value === null;
  const text = empty ? null : words(value, side);
  const content = empty ? element("p", { className: "none", text: side === "user" ? "(no input)" : "(no output)" })
    : text === null ? element("pre", { text: folded(json(value)) })
      : prose(text);
  return element("div", { className: `bubble ${side}` },
    element("span", { className: "unseen", text: side === "user" ? "User:" : "Assistant:" }), content,
    note ? element("small", { text: note }) : null);
}

function prose(text) {
  if (text.length <= FOLD_CHARACTERS) return element("p", { text });
  const whole = element("p", { text: folded(text) });
  const more = element("button", { className: "unfold", text: `Show all ${number(text.length)} characters`,
    attributes: { type: "button" } });
  more.addEventListener("click", () => { whole.textContent = text; more.remove(); });
  return element("div", {}, whole, more);
}

const folded = (text) => (text.length > FOLD_CHARACTERS ? `${text.slice(0, FOLD_CHARACTERS)} …` : text);

function failure(error) {
  const title = [error.exception_type, error.message].filter(Boolean).join(": ") || "The call failed";
  return element("div", { className: "bubble assistant failed" }, element("p", { text: title }),
    error.traceback ? element("details", {}, element("summary", { text: "Traceback" }),
      element("pre", { text: folded(error.traceback) })) : null);
}
