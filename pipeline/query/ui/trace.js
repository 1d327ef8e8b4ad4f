// One trace: its spans as a tree beside a waterfall, and the one that is chosen in full. Only the rows on the screen are
// drawn, so that ten thousand spans scroll like ten.

import * as api from "./api.js";
import { go } from "./address.js";
import { ErrorShown } from "./failure.js";
import { clock, day, length, money, number, plural } from "./format.js";
import { Icon, IconButton } from "./icons.js";
import { useKeys } from "./keyboard.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./library.js";
import { useLoad, useWhileVisible } from "./loading.js";
import { said } from "./messages.js";
import { Json, Parts } from "./parts.js";
import { usePending } from "./pending.js";
import { Refusal, Writes } from "./rights.js";
import { ScoreForm, ScoreList, scoring } from "./scores.js";
import { Failed, Loading, State } from "./states.js";
import { oneLine } from "./text.js";
import { barOf, extentOf, rowsOf, treeOf } from "./tree.js";
import { Remarks } from "./turn.js";

const REFRESH_MS = 2500;
const ADDRESS_MS = 300;
const ROW_PIXELS = 32;
const ROWS_BEYOND = 12;

export function Trace({ address, projectId, traceId, scoreNames }) {
  // Apart: what is written about the trace is looked for without reading its spans again, which may be thousands.
  const traceLoad = useLoad((signal) => api.trace(traceId, signal), [traceId]);
  const spansLoad = useLoad((signal) => api.spans(projectId, traceId, signal), [projectId, traceId]);
  const error = traceLoad.error ?? spansLoad.error;
  const reload = () => { traceLoad.reload(); spansLoad.reload(); };
  // One that still runs, or is not stored yet, is looked at again.
  const isOver = traceLoad.value ? traceLoad.value.end_time !== undefined : error?.status !== 404;
  useWhileVisible(reload, isOver ? 0 : REFRESH_MS);
  const [wanted, choose] = useChosenSpan(address.span);
  const leave = () => go({ trace: null, span: null });
  useKeys({ Escape: leave });
  if (error?.status === 404) return html`<${NotThere} leave=${leave} />`;
  const [trace, spans] = [traceLoad.value, spansLoad.value];
  if (!trace || !spans) {
    return error ? html`<${Failed} error=${error} retry=${reload} />` : html`<${Loading} what="the trace" />`;
  }
  const chosen = spans.some((span) => span.id === wanted) ? wanted : null;
  return html`
    <div class="trace-view">
      <header class="talk-head">
        <${IconButton} icon="back" label="Back to the conversation" act=${leave} />
        <div class="named"><h2>${oneLine(trace.name ?? trace.id)}</h2><${Facts} of=${trace}
          spans=${spans.length} /></div>
      </header>
      <${Waterfall} trace=${trace} spans=${spans} chosen=${chosen} choose=${choose} />
      <${chosen ? SpanDetail : TraceDetail} key=${chosen ?? trace.id} projectId=${projectId} trace=${trace}
        spanId=${chosen}
        reload=${traceLoad.reload} scoreNames=${scoreNames} />
    </div>`;
}

// The span that is read is in the address once the hand rests: browsers take only so many addresses from a held key.
function useChosenSpan(linked) {
  const [chosen, choose] = useState(linked ?? null);
  useEffect(() => {
    const timer = setTimeout(() => go({ span: chosen }, { replace: true }), ADDRESS_MS);
    return () => clearTimeout(timer);
  }, [chosen]);
  return [chosen, choose];
}

const NotThere = ({ leave }) => html`
  <${State} title="No such trace"><p>It was deleted, or is not stored yet.</p>
    <button type="button" class="action" onClick=${leave}>Back</button></${State}>`;

const Facts = ({ of: shown, spans }) => html`
  <p class="facts">
    ${shown.type && html`<span class="type ${shown.type}">${shown.type}</span>`}
    <span>${day(shown.start_time)}, ${clock(shown.start_time)}</span>
    ${shown.duration !== undefined && html`<span>${length(shown.duration)}</span>`}
    ${shown.ttft !== undefined && html`<span>first token after ${length(shown.ttft)}</span>`}
    ${spans !== undefined && html`<span>${plural(spans, "span")}</span>`}
    ${shown.model && html`<span>${oneLine(shown.model, 80)}</span>`}
    ${shown.provider && html`<span>${oneLine(shown.provider, 80)}</span>`}
    ${Object.entries(shown.usage ?? {}).filter(([name]) => !name.startsWith("original_usage")).map(([name, count]) => html`
      <span key=${name}>${number(count)} ${oneLine(name, 40).replaceAll("_", " ")}</span>`)}
    ${shown.total_estimated_cost > 0 && html`<span>${money(shown.total_estimated_cost)}</span>`}
  </p>`;

// The trace itself is the first row; its id stands for "none of the spans".
function Waterfall({ trace, spans, chosen, choose }) {
  const [closed, setClosed] = useState(new Set());
  const roots = useMemo(() => treeOf(spans), [spans]);
  const extent = useMemo(() => extentOf(trace, spans), [trace, spans]);
  const rows = useMemo(() => [{ span: { ...trace, type: "trace" }, depth: 0, isParent: spans.length > 0 },
    ...(closed.has(trace.id) ? [] : rowsOf(roots, closed))], [trace, roots, closed]);
  const box = useRef();
  const shown = useShownRows(box, rows.length);
  const at = Math.max(0, rows.findIndex(({ span }) => span.id === (chosen ?? trace.id)));

  const reveal = (place) => {
    const { scrollTop, clientHeight } = box.current;
    if (place * ROW_PIXELS < scrollTop) box.current.scrollTop = place * ROW_PIXELS;
    else if ((place + 1) * ROW_PIXELS > scrollTop + clientHeight) box.current.scrollTop = (place + 1) * ROW_PIXELS - clientHeight;
  };
  useLayoutEffect(() => reveal(at), []); // a link may name a span far down
  const stand = (row) => {
    const place = Math.min(Math.max(row, 0), rows.length - 1);
    const { span } = rows[place];
    choose(span.id === trace.id ? null : span.id);
    reveal(place);
  };
  const fold = (id, wanted) => {
    const next = new Set(closed);
    if (wanted) next.add(id);
    else next.delete(id);
    setClosed(next);
  };
  const press = (event) => {
    const { span } = rows[at];
    const act = {
      ArrowDown: () => stand(at + 1), ArrowUp: () => stand(at - 1), Home: () => stand(0), End: () => stand(rows.length - 1),
      ArrowLeft: () => fold(span.id, true), ArrowRight: () => fold(span.id, false),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  return html`
    <div class="waterfall" ref=${box} role="tree" aria-label="Spans" tabindex="0" onKeyDown=${press}
      aria-activedescendant=${`span ${rows[at].span.id}`}>
      <div class="waterfall-inner" role="presentation" style=${{ height: `${rows.length * ROW_PIXELS}px` }}>
        ${rows.slice(shown.from, shown.to).map((row, place) => html`
          <${Row} key=${row.span.id} row=${row} top=${(shown.from + place) * ROW_PIXELS} extent=${extent}
            isChosen=${shown.from + place === at}
            isClosed=${closed.has(row.span.id)} place=${shown.from + place} total=${rows.length}
            choose=${() => stand(shown.from + place)} fold=${(wanted) => fold(row.span.id, wanted)} />`)}
      </div>
    </div>`;
}

// Which rows are on the screen, and a few beyond.
function useShownRows(box, total) {
  const [shown, set] = useState({ from: 0, to: 60 });
  useLayoutEffect(() => {
    const node = box.current;
    const look = () => {
      const from = Math.max(0, Math.floor(node.scrollTop / ROW_PIXELS) - ROWS_BEYOND);
      const to = Math.ceil((node.scrollTop + node.clientHeight) / ROW_PIXELS) + ROWS_BEYOND;
      set((before) => (before.from === from && before.to === to ? before : { from, to }));
    };
    look();
    const watch = new ResizeObserver(look);
    watch.observe(node);
    node.addEventListener("scroll", look, { passive: true });
    return () => {
      watch.disconnect();
      node.removeEventListener("scroll", look);
    };
  }, [total]);
  return shown;
}

function Row({ row, top, extent, isChosen, isClosed, place, total, choose, fold }) {
  const { span, depth, isParent } = row;
  const bar = barOf(span, extent);
  const name = oneLine(span.name ?? span.id, 120);
  return html`
    <div class="span-row ${isChosen ? "chosen" : ""} ${span.error_info ? "with-error" : ""}" id=${`span ${span.id}`}
      role="treeitem"
      aria-level=${depth + 1} aria-selected=${String(isChosen)} aria-setsize=${total} aria-posinset=${place + 1}
      aria-expanded=${isParent ? String(!isClosed) : undefined} style=${{ top: `${top}px` }} onClick=${choose}>
      <span class="span-name" style=${{ paddingLeft: `${Math.min(depth, 20) * 16}px` }}>
        <span class="twist ${isParent ? "" : "leaf"} ${isClosed ? "" : "opened"}"
          onClick=${(event) => { event.stopPropagation(); if (isParent) fold(!isClosed); }}><${Icon}
          name="right" /></span>
        <span class="type ${span.type ?? "general"}">${span.type ?? "general"}</span>
        <span class="span-title" title=${name}>${name}</span>
        ${span.error_info && html`<span class="warned" title="failed"><${Icon} name="warn" /><span
          class="unseen">failed</span></span>`}
      </span>
      <span class="span-spent">${span.usage?.total_tokens > 0 && `${number(span.usage.total_tokens)} tok`}</span>
      <span class="span-took">${span.duration === undefined ? "running" : length(span.duration)}</span>
      <span class="span-bar"><i class=${span.type ?? "general"}
        style=${{ left: `${bar.left * 100}%`, width: `${bar.width * 100}%` }}></i></span>
    </div>`;
}

function TraceDetail({ projectId, trace, reload, scoreNames }) {
  const { shown, change, unconfirmed } = usePending(trace, reload);
  const scores = scoring(change, {
    write: (given) => api.score("traces", trace.id, projectId, given),
    unwrite: (name) => api.unscore("traces", trace.id, name),
  });
  return html`
    <${Detail} shown=${shown} title="Trace" scores=${scores} scoreNames=${scoreNames} unconfirmed=${unconfirmed}>
      <section><h3>Tags and comments</h3><${Remarks} turn=${shown} change=${change} /></section>
    </${Detail}>`;
}

function SpanDetail({ projectId, spanId, scoreNames }) {
  const loaded = useLoad((signal) => api.span(spanId, signal), [spanId]);
  const { shown, change, unconfirmed } = usePending(loaded.value, loaded.reload);
  if (loaded.error) return html`<${Failed} error=${loaded.error} retry=${loaded.reload} />`;
  if (!shown) return html`<${Loading} what="the span" />`;
  const scores = scoring(change, {
    write: (given) => api.score("spans", spanId, projectId, given),
    unwrite: (name) => api.unscore("spans", spanId, name),
  });
  return html`<${Detail} shown=${shown} title="Span" scores=${scores} scoreNames=${scoreNames}
    unconfirmed=${unconfirmed} />`;
}

function Detail({ shown, title, scores, scoreNames, unconfirmed, children }) {
  const [isScoring, setScoring] = useState(false);
  const box = useRef();
  useEffect(() => { box.current.scrollTop = 0; }, [shown.id]);
  return html`
    <article class="detail" ref=${box} tabindex="0" aria-label=${`${title}: ${oneLine(shown.name ?? shown.id)}`}>
      <header><h3 class="detail-title">${oneLine(shown.name ?? shown.id)}</h3><${Facts} of=${shown} />
        ${unconfirmed > 0 && html`<span class="saving" role="status">Saving</span>`}</header>
      ${shown.error_info && html`<section><h3>Error</h3><${ErrorShown} error=${shown.error_info} /></section>`}
      <${Payload} title="Input" value=${shown.input} side="user" />
      <${Payload} title="Output" value=${shown.output} side="assistant" />
      ${shown.metadata !== undefined && html`<section><h3>Metadata</h3><${Json} value=${shown.metadata}
        label="Metadata" /></section>`}
      <section><h3>Scores</h3>
        <${ScoreList} scores=${shown.feedback_scores ?? []} remove=${scores.remove} />
        ${isScoring
          ? html`<${ScoreForm} label="Add a score" names=${scoreNames} give=${scores.give}
            done=${() => setScoring(false)} />`
          : html`<${Writes}><button type="button" class="action"
            onClick=${() => setScoring(true)}>Add a score</button></${Writes}>`}
        <${Refusal} />
      </section>
      ${children}
    </article>`;
}

// First what was said, if anything was; the whole JSON is one click away.
function Payload({ title, value, side }) {
  const parts = said(value, side);
  const isSaid = parts.some((part) => part.kind !== "json");
  const [raw, setRaw] = useState(!isSaid);
  if (value === undefined || value === null) return null;
  return html`
    <section><h3>${title}
      ${isSaid && html`<button type="button" class="inline" aria-pressed=${String(raw)}
        onClick=${() => setRaw(!raw)}>${raw ? "as text" : "as JSON"}</button>`}</h3>
      ${raw ? html`<${Json} value=${value} label=${title} />` : html`<div class="payload"><${Parts}
        parts=${parts} /></div>`}
    </section>`;
}
