// The threads of a project: a table that keeps itself up to date, and a narrow list of the same beside a conversation.

import * as api from "./api.js";
import { TagChip } from "./annotations.js";
import { go, link } from "./address.js";
import { FilterBuilder, FilterChips, asked, read as readConditions } from "./filters.js";
import { ago, length, money, number, plural } from "./format.js";
import { Icon } from "./icons.js";
import { useKeys } from "./keyboard.js";
import { html, useEffect, useRef, useState } from "./library.js";
import { useLoad, useTicks, useWhileVisible } from "./loading.js";
import { summary } from "./messages.js";
import { ScoreChip } from "./scores.js";
import { Failed, Loading, NoThread } from "./states.js";
import { oneLine } from "./text.js";

const PAGE_THREADS = 50;
const SCORE_COLUMNS_MAX = 6;
const SEARCH_MS = 250;
// News come over the stream; this only keeps counts and last messages of open threads from growing old.
const REFRESH_MS = 10_000;
// What was told of before the page listened may not be stored yet: whoever sees nothing looks again sooner.
const EMPTY_REFRESH_MS = 1500;
const NEWS_MS = 500;
const AGO_MS = 10_000;
const AGAIN_MS = 1000;
const UNSEEN_MS_MAX = 15_000;

// What the address asks for, as the API takes it. Pages after the first are of the threads that were there when the
// first was left, so that new ones do not push others over the edge of a page.
function wanted(address) {
  const conditions = readConditions(address.filters);
  const { field, direction } = readSort(address.sort ?? "");
  const page = Number(address.page ?? 1);
  const until = page > 1 && address.until ? [{ field: "created_at", operator: "<=", value: address.until }] : [];
  return {
    page, size: PAGE_THREADS, search: address.search,
    filters: [...asked(conditions), ...until],
    sorting: field ? [{ field, direction }] : undefined,
  };
}

// "field:direction"; the name of a score, which may be in the field, may have colons.
function readSort(text) {
  const at = text.lastIndexOf(":");
  if (at < 0) return { field: text, direction: "DESC" };
  return { field: text.slice(0, at), direction: text.slice(at + 1) === "ASC" ? "ASC" : "DESC" };
}

export function useThreads(projectId, address) {
  const asking = wanted(address);
  const loaded = useLoad((signal) => (projectId ? api.threads(projectId, { ...asking, signal }) : undefined),
    [projectId, JSON.stringify(asking)]);
  // What was asked for before stays, and says that it is of before, until what is asked for now is there.
  const latest = useRef(null);
  if (loaded.value) latest.current = { projectId, page: asking.page, value: loaded.value };
  const kept = !loaded.error && latest.current?.projectId === projectId ? latest.current : null;
  const { value, page } = loaded.value ? { value: loaded.value, page: asking.page } : kept ?? { page: asking.page };
  const isLiveView = asking.page === 1;
  useWhileVisible(loaded.reload, isLiveView ? (value?.total === 0 ? EMPTY_REFRESH_MS : REFRESH_MS) : 0);
  const [told, setTold] = useState({});
  const news = useRef({ timer: null, unseen: new Map() });
  useEffect(() => setTold({}), [loaded.value]);

  // A burst of news is one reading. Storage may come to know a new thread a little later than the stream told of it:
  // the list is read again until it is there, or does not belong there.
  const readSoon = (inMs) => {
    news.current.timer ??= setTimeout(async () => {
      const value = await loaded.reload();
      const { unseen } = news.current;
      for (const thread of value?.content ?? []) unseen.delete(thread.id);
      forgetOld(unseen);
      news.current.timer = null;
      if (unseen.size) readSoon(AGAIN_MS);
    }, inMs);
  };
  // An event changes the row at once.
  const hear = (name, event) => {
    if (event.thread_id) setTold((all) => ({ ...all, [event.thread_id]: event.status }));
    if (name === "opened") {
      const { unseen } = news.current;
      unseen.delete(event.thread_id);
      unseen.set(event.thread_id, performance.now() + UNSEEN_MS_MAX);
      forgetOld(unseen);
    }
    if (isLiveView && !document.hidden) readSoon(NEWS_MS);
  };
  // Whoever comes back to the newest waits for those that were told of meanwhile.
  useEffect(() => { if (isLiveView && news.current.unseen.size) readSoon(NEWS_MS); }, [isLiveView]);
  const rows = value?.content.map((thread) => (told[thread.id] ? { ...thread, status: told[thread.id] } : thread));
  return { ...loaded, value, rows, page, hear, asked: asking.page, isOld: Boolean(value && !loaded.value), newSince: isLiveView ? 0 : Object.keys(told).length };
}

// The oldest stand first.
function forgetOld(unseen) {
  for (const [id, until] of unseen) {
    if (performance.now() <= until) return;
    unseen.delete(id);
  }
}

export function Threads({ address, list, scoreNames, compact }) {
  const [building, setBuilding] = useState(false);
  useTicks(AGO_MS);
  const conditions = readConditions(address.filters);
  const narrowed = Boolean(address.search || conditions.length);
  const chosen = useChosen(list.rows ?? [], address.thread);
  return html`
    <section class=${list.isOld ? "list old" : "list"} aria-label="Threads" aria-busy=${String(list.isOld)}>
      <div class="toolbar">
        <${Search} text=${address.search ?? ""} />
        <button type="button" class="action" aria-expanded=${String(building)} onClick=${() => setBuilding(!building)}>
          <${Icon} name="filter" />Filter</button>
        <${FilterChips} conditions=${conditions} />
        <span class="count" role="status">${list.isOld ? "Loading" : list.value && plural(list.value.total, "thread")}</span>
      </div>
      ${building && html`<${FilterBuilder} conditions=${conditions} scoreNames=${scoreNames}
        close=${() => setBuilding(false)} />`}
      ${list.newSince > 0 && html`<button type="button" class="news" onClick=${() => go({ page: null, until: null })}>
        ${plural(list.newSince, "thread")} changed meanwhile: back to the newest</button>`}
      <${Content} list=${list} narrowed=${narrowed} compact=${compact} chosen=${chosen} sort=${address.sort ?? ""}
        scoreNames=${scoreNames} />
      <${Pages} list=${list} address=${address} />
    </section>`;
}

function Content({ list, narrowed, compact, chosen, sort, scoreNames }) {
  if (list.error && !list.rows) return html`<${Failed} error=${list.error} retry=${list.reload} />`;
  if (!list.rows) return html`<${Loading} what="threads" />`;
  if (!list.rows.length) return html`<${NoThread} narrowed=${narrowed}
    clear=${() => go({ search: null, filters: null, page: null })} />`;
  return compact ? html`<${Narrow} rows=${list.rows} chosen=${chosen} />`
    : html`<${Table} rows=${list.rows} chosen=${chosen} sort=${sort} sortable=${list.value.sortableBy}
      scoreNames=${scoreNames} />`;
}

// The row that the keyboard stands on; an open thread takes the keyboard along.
function useChosen(rows, opened) {
  const [id, set] = useState(null);
  const current = opened ?? id;
  const step = (by) => {
    const at = rows.findIndex((thread) => thread.id === current);
    const next = rows[at < 0 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1)];
    if (!next) return;
    set(next.id);
    if (opened) go({ thread: next.id, trace: null, span: null });
    document.getElementById(rowId(next))?.scrollIntoView({ block: "nearest" });
  };
  useKeys({
    j: () => step(1), k: () => step(-1), Enter: () => { if (current && !opened) go({ thread: current }); },
    "/": () => document.getElementById("search")?.focus(),
    ...(opened ? { Escape: () => { set(opened); go({ thread: null, trace: null, span: null }); } } : {}),
  });
  return current;
}

const rowId = (thread) => `row ${thread.thread_model_id}`;

function Search({ text }) {
  const [draft, set] = useState(text);
  const sent = useRef(text);
  useEffect(() => { if (text !== sent.current) { sent.current = text; set(text); } }, [text]);
  useEffect(() => {
    const timer = setTimeout(() => {
      if (draft.trim() === sent.current) return;
      sent.current = draft.trim();
      go({ search: sent.current, page: null, until: null }, { replace: true });
    }, SEARCH_MS);
    return () => clearTimeout(timer);
  }, [draft]);
  return html`<input id="search" type="search" placeholder="Search ids and messages" aria-label="Search threads"
    autocomplete="off"
    value=${draft} onInput=${(event) => set(event.target.value)} />`;
}

const first = (thread) => oneLine(summary(thread.first_message, "user"));
const last = (thread) => oneLine(summary(thread.last_message, "assistant"));
const unanswered = (thread) => (thread.status === "active" ? "no answer yet" : "no answer");

const Narrow = ({ rows, chosen }) => html`
  <ul class="narrow plain">${rows.map((thread) => html`
    <li key=${thread.id} id=${rowId(thread)} class=${thread.id === chosen ? "chosen" : ""}>
      <a href=${link({ thread: thread.id, trace: null, span: null })} aria-current=${thread.id === chosen ? "true" : undefined}>
        <span class="narrow-head"><${Status} status=${thread.status} /><span class="id">${oneLine(thread.id)}</span>
          <time class="soft" datetime=${thread.last_updated_at}>${ago(thread.last_updated_at)}</time></span>
        <span class="said">${first(thread) || "no input yet"}</span>
        <span class="said soft">${last(thread) || unanswered(thread)}</span>
      </a></li>`)}</ul>`;

const Status = ({ status }) => html`<span class="badge ${status}">${status}</span>`;

const COLUMNS = [
  { field: "status", label: "Status", cell: (thread) => html`<${Status} status=${thread.status} />` },
  { field: "id", label: "Thread", className: "cell-id", cell: (thread) => html`
    <a class="id" href=${link({ thread: thread.id })} title=${thread.id}>${oneLine(thread.id)}</a>` },
  { label: "First message", className: "cell-said", cell: (thread) => first(thread) || html`<span
    class="soft">no input yet</span>` },
  { label: "Last message", className: "cell-said soft", cell: (thread) => last(thread) || unanswered(thread) },
  { field: "number_of_messages", label: "Messages", className: "cell-number",
    cell: (thread) => number(thread.number_of_messages) },
  { field: "duration", label: "Duration", className: "cell-number",
    cell: (thread) => (thread.duration === undefined ? "" : length(thread.duration)) },
  { field: "total_estimated_cost", label: "Cost", className: "cell-number",
    cell: (thread) => (thread.total_estimated_cost ? money(thread.total_estimated_cost) : "") },
];
const TAGS = { field: "tags", label: "Tags", className: "cell-tags",
  cell: (thread) => (thread.tags ?? []).map((tag) => html`<${TagChip} key=${tag} tag=${tag} />`) };
const ACTIVITY = { field: "last_updated_at", label: "Last activity", className: "cell-time", cell: (thread) => html`
  <time datetime=${thread.last_updated_at} title=${thread.last_updated_at}>${ago(thread.last_updated_at)}</time>` };

const scoreColumn = (name) => ({
  field: `feedback_scores.${name}`, label: name, title: name, className: "cell-number cell-score",
  cell: (thread) => {
    const score = thread.feedback_scores?.find((each) => each.name === name);
    return score ? html`<span title=${score.reason}>${number(score.value)}</span>` : "";
  },
});
// Names that got no column of their own.
const otherScores = (names) => ({
  label: "Other scores", className: "cell-others",
  cell: (thread) => (thread.feedback_scores ?? []).filter((score) => names.includes(score.name))
    .map((score) => html`<${ScoreChip} key=${score.name} score=${score} />`),
});

function Table({ rows, chosen, sort, sortable, scoreNames }) {
  const others = scoreNames.slice(SCORE_COLUMNS_MAX);
  const columns = [...COLUMNS, ACTIVITY, TAGS, ...scoreNames.slice(0, SCORE_COLUMNS_MAX).map(scoreColumn),
    ...(others.length ? [otherScores(others)] : [])];
  return html`
    <div class="table-box" tabindex="0" role="region" aria-label="Table of threads">
      <table class="thread-table">
        <thead><tr>${columns.map((column) => html`<${Heading} key=${keyOf(column)} column=${column} sort=${sort}
          sortable=${sortable} />`)}</tr></thead>
        <tbody>${rows.map((thread) => html`
          <tr key=${thread.id} id=${rowId(thread)} class=${thread.id === chosen ? "chosen" : ""}
            aria-current=${thread.id === chosen ? "true" : undefined}
            onClick=${(event) => { if (!event.target.closest("a, button") && !getSelection().toString()) go({ thread: thread.id }); }}>
            ${columns.map((column) => html`<td key=${keyOf(column)}
              class=${column.className}>${column.cell(thread)}</td>`)}
          </tr>`)}</tbody>
      </table>
    </div>`;
}

const keyOf = (column) => column.field ?? column.label;

// A field such as `feedback_scores.*` stands for one of each name.
const isSortable = (field, sortable) => sortable.some((each) =>
  each === field || (each.endsWith(".*") && field?.startsWith(each.slice(0, -1))));

function Heading({ column, sort, sortable }) {
  const label = oneLine(column.label, 60);
  if (!isSortable(column.field, sortable)) return html`<th scope="col"
    class=${column.className} title=${column.title}>${label}</th>`;
  const { field, direction } = readSort(sort || "last_updated_at:DESC");
  const mine = field === column.field;
  const next = `${column.field}:${mine && direction === "DESC" ? "ASC" : "DESC"}`;
  return html`
    <th scope="col" class=${column.className} title=${column.title}
      aria-sort=${mine ? (direction === "ASC" ? "ascending" : "descending") : "none"}>
      <button type="button" class="sorter ${mine ? direction.toLowerCase() : ""}"
        onClick=${() => go({ sort: next, page: null, until: null })}>${label}</button></th>`;
}

function Pages({ list, address }) {
  if (!list.value || list.value.total <= PAGE_THREADS) return null;
  const lastPage = Math.ceil(list.value.total / PAGE_THREADS);
  const to = (page) => go({ page: page === 1 ? null : page, until: page === 1 ? null : address.until ?? new Date().toISOString() });
  const from = (list.page - 1) * PAGE_THREADS;
  return html`
    <nav class="pages" aria-label="Pages">
      <button type="button" class="action" disabled=${list.asked === 1}
        onClick=${() => to(list.asked - 1)}>Previous</button>
      <span>${number(from + 1)} to ${number(from + list.value.content.length)} of ${number(list.value.total)}</span>
      <button type="button" class="action" disabled=${list.asked >= lastPage}
        onClick=${() => to(list.asked + 1)}>Next</button>
    </nav>`;
}
