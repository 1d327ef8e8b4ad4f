// A thread turn by turn, with what is known of it at the side.

import * as api from "./api.js";
import { Comments, Tags, commenting, tagging } from "./annotations.js";
import { go } from "./address.js";
import { Evaluations } from "./evaluations.js";
import { day, length, money, moment, number, plural } from "./format.js";
import { IconButton } from "./icons.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./library.js";
import { useKeys } from "./keyboard.js";
import { useLoad, useWhileVisible } from "./loading.js";
import { notice } from "./notice.js";
import { usePending } from "./pending.js";
import { Refusal, Writes, ifAllowed, may } from "./rights.js";
import { ScoreForm, ScoreList, scoring } from "./scores.js";
import { Failed, Loading, State } from "./states.js";
import { oneLine } from "./text.js";
import { Turn } from "./turn.js";

const PAGE_TURNS = 100;
const REFRESH_MS = 2500;
const SETTLED_MS = 60_000;
const PAUSE_MS = 60_000;
const NEAR_END_PIXELS = 120;

export function Conversation({ projectId, threadId, scoreNames, regime, heard }) {
  const [pages, setPages] = useState(1);
  const same = useSame();
  const loaded = useLoad(async (signal) => {
    const [thread, ...turns] = await Promise.all([
      api.thread(projectId, threadId, signal),
      ...Array.from({ length: pages }, (_, at) => api.turns(projectId, threadId, { page: at + 1, size: PAGE_TURNS, signal })),
    ]);
    return { thread, total: turns[0].total, turns: same(distinct(turns.flatMap((page) => page.content)).reverse()) };
  }, [projectId, threadId, pages]);
  const kept = useKept(loaded.value, threadId);
  const [isAside, setAside] = useState(false);
  const { shown, change, unconfirmed } = usePending(kept?.thread, loaded.reload);
  // Sessions tell of beginnings and ends only; what is said in between is looked for while someone looks at it.
  // Who reads back through many pages waits for new turns a little longer.
  // Evaluators speak up after the close: a thread is calm some time after that.
  const isOver = shown?.status === "inactive" && Date.now() - Date.parse(shown.last_updated_at) > SETTLED_MS;
  const isCalm = isOver || pages > 1;
  useWhileVisible(loaded.reload, isCalm ? REFRESH_MS * 4 : REFRESH_MS);
  useEffect(() => { if (heard) loaded.reload(); }, [heard]);

  if (loaded.error?.status === 404) return html`<${Gone} />`;
  if (!kept) {
    return loaded.error ? html`<${Failed} error=${loaded.error} retry=${loaded.reload} />` : html`<${Loading}
      what="the conversation" />`;
  }
  const setStatus = (status) => change({
    about: "status",
    write: () => api.setStatus(projectId, threadId, status),
    apply: (thread) => ({ ...thread, status }),
    holds: (thread) => thread.status === status,
    failed: "The status was not changed.",
  });
  const parts = { projectId, thread: shown, change, setStatus, regime, scoreNames, reload: loaded.reload };
  return html`
    <div class=${isAside ? "talk aside" : "talk"}>
      <${Head} ...${parts} unconfirmed=${unconfirmed} isAside=${isAside} setAside=${setAside} />
      <${Flow} key=${threadId} ...${parts} turns=${kept.turns} total=${kept.total} more=${() => setPages(pages + 1)} />
      <${Side} ...${parts} />
    </div>`;
}

// While more is fetched, what was read of the same thread stays.
function useKept(value, threadId) {
  const last = useRef(null);
  if (value) last.current = { threadId, value };
  return last.current?.threadId === threadId ? last.current.value : null;
}

// A turn that says what it said before is the same object, so that it is not drawn again.
function useSame() {
  const known = useRef(new Map());
  return (turns) => {
    const read = turns.map((turn) => {
      const text = JSON.stringify(turn);
      const before = known.current.get(turn.id);
      return before?.text === text ? before : { text, turn };
    });
    known.current = new Map(read.map((each) => [each.turn.id, each]));
    return read.map(({ turn }) => turn);
  };
}

// Only what its turn shows draws it again: to draw five hundred takes long enough to be felt.
const Entry = (given) => useMemo(() => html`<${Turn} ...${given} />`, [
  given.turn, given.isFirst, given.isCurrent, given.isAwaited, given.scoreNames, may("annotate"), may("ingest"),
]);

// Pages may overlap when turns came in between.
const distinct = (turns) => [...new Map(turns.map((turn) => [turn.id, turn])).values()];

const Gone = () => html`
  <${State} title="No such thread"><p>It was deleted, its traces moved to another thread, or it is not stored yet.</p>
    <button type="button" class="action"
      onClick=${() => go({ thread: null, trace: null, span: null })}>Back to the list</button></${State}>`;

function Head({ thread, setStatus, unconfirmed, isAside, setAside }) {
  const active = thread.status === "active";
  const flip = () => setStatus(active ? "inactive" : "active");
  useKeys({ i: () => ifAllowed("annotate", flip) });
  const copy = async () => {
    await navigator.clipboard.writeText(thread.id);
    notice("The thread id is copied.");
  };
  return html`
    <header class="talk-head">
      <${IconButton} icon="back" label="Back to the list" act=${() => go({ thread: null, trace: null, span: null })} />
      <div class="named">
        <h2 title=${thread.id}>${oneLine(thread.id)}</h2>
        <p class="facts">
          <span class="badge ${thread.status}">${thread.status}</span>
          <span>${plural(thread.number_of_messages, "message")}</span>
          ${thread.duration !== undefined && html`<span>${length(thread.duration)}</span>`}
          ${thread.usage?.total_tokens > 0 && html`<span>${number(thread.usage.total_tokens)} tokens</span>`}
          ${thread.total_estimated_cost > 0 && html`<span>${money(thread.total_estimated_cost)}</span>`}
          ${unconfirmed > 0 && html`<span class="saving" role="status">Saving</span>`}
        </p>
      </div>
      <${IconButton} icon="copy" label="Copy the thread id" act=${copy} />
      <${Writes}><button type="button" class="action" onClick=${flip}
        title=${active ? "Ends this session; the next message begins a new one (i)" : "Makes the thread active again (i)"}>
        ${active ? "Mark as inactive" : "Reopen"}</button></${Writes}>
      <${IconButton} icon="panel" label="Scores, tags, comments and sessions" className="to-side" on=${isAside}
        act=${() => setAside(!isAside)} />
    </header>`;
}

function Flow({ projectId, thread, turns, total, more, reload, scoreNames }) {
  const box = useRef();
  const acts = useRef(new Map());
  const [current, setCurrent] = useState(null);
  const place = useRef({ atEnd: true, top: 0, height: 0, first: null });
  const chosen = turns.some((turn) => turn.id === current) ? current : turns.at(-1)?.id;
  const step = (by) => {
    const at = turns.findIndex((turn) => turn.id === chosen) + by;
    const next = turns[Math.min(Math.max(at, 0), turns.length - 1)];
    if (!next) return;
    setCurrent(next.id);
    acts.current.get(next.id)?.show();
  };
  useKeys({
    u: () => acts.current.get(chosen)?.rate(1), d: () => acts.current.get(chosen)?.rate(0),
    n: () => step(1), p: () => step(-1),
  });
  // Earlier turns come in above without moving what is read; new ones are followed by whoever is at the end.
  useLayoutEffect(() => {
    const node = box.current;
    const { height, first } = place.current;
    const atEnd = stays(node, place.current);
    if (atEnd) node.scrollTop = node.scrollHeight;
    else if (first !== turns[0]?.id) node.scrollTop += node.scrollHeight - height;
    place.current = { atEnd, top: node.scrollTop, height: node.scrollHeight, first: turns[0]?.id };
  });
  useEffect(() => {
    // What is drawn late, or grows, pushes the end down: who was there stays there.
    const node = box.current;
    const watch = new ResizeObserver(() => {
      if (!stays(node, place.current)) return;
      node.scrollTop = node.scrollHeight;
      place.current.top = node.scrollTop;
    });
    watch.observe(node.firstElementChild);
    return () => watch.disconnect();
  }, []);
  const scrolled = ({ currentTarget: node }) => {
    place.current.atEnd = isNearEnd(node);
    place.current.top = node.scrollTop;
    place.current.height = node.scrollHeight;
  };
  // One flat list: a turn and the gap before it as a list of their own would have no key, and all be drawn anew when
  // earlier ones come in.
  return html`
    <div class="flow" ref=${box} onScroll=${scrolled} tabindex="0" role="log" aria-label="Messages">
      <div class="flow-inner">
        ${total > turns.length && html`<button type="button" class="more" onClick=${more}>
          Show earlier turns (${number(total - turns.length)} more)</button>`}
        ${turns.flatMap((turn, at) => [
          html`<${Gap} key=${`gap ${turn.id}`} before=${turns[at - 1]} turn=${turn} />`,
          html`<${Entry} key=${turn.id} turn=${turn} projectId=${projectId} isFirst=${at === 0 && total === turns.length}
            isCurrent=${turn.id === chosen} isAwaited=${thread.status === "active"} choose=${() => setCurrent(turn.id)}
            reload=${reload} scoreNames=${scoreNames}
            arm=${(id, given) => { acts.current.set(id, given); return () => acts.current.delete(id); }} />`,
        ])}
        ${thread.status === "inactive" && html`<p class="divider">inactive</p>`}
      </div>
    </div>`;
}

const isNearEnd = (node) => node.scrollHeight - node.scrollTop - node.clientHeight < NEAR_END_PIXELS;

// Whoever has just scrolled up is told of by an event only with the next frame, and must not be taken back before.
const stays = (node, { atEnd, top }) => atEnd && (node.scrollTop >= top || isNearEnd(node));

function Gap({ before, turn }) {
  if (!before || day(before.start_time) !== day(turn.start_time)) {
    return html`<p class="divider"><time datetime=${turn.start_time}>${day(turn.start_time)}</time></p>`;
  }
  const pause = Date.parse(turn.start_time) - Date.parse(before.end_time ?? before.start_time);
  return pause >= PAUSE_MS && html`<p class="divider">${length(pause)} later</p>`;
}

function Side({ projectId, thread, change, regime, setStatus, scoreNames }) {
  const [isScoring, setScoring] = useState(false);
  const scores = scoring(change, {
    write: (given) => api.scoreThread(projectId, thread.id, given),
    unwrite: (name) => api.unscoreThread(projectId, thread.id, name),
  });
  const tags = tagging(change, (told) => api.tagThread(thread.thread_model_id, told), "annotate");
  const comments = commenting(change, {
    add: (text) => api.comment("traces/threads", thread.thread_model_id, text),
    edit: (id, text) => api.editComment("traces/threads", id, text),
    remove: (id) => api.deleteComment("traces/threads", id),
  }, () => thread.comments);
  const refused = !may("annotate");
  const locked = thread.status === "active" && regime !== "lenient" && !refused;
  return html`
    <aside class="side" aria-label="About this thread">
      <section><h3>Scores</h3>
        <${ScoreList} scores=${thread.feedback_scores ?? []} remove=${scores.remove} />
        ${isScoring && !locked && !refused
          ? html`<${ScoreForm} label="Score this conversation" names=${scoreNames} give=${scores.give}
            done=${() => setScoring(false)} />`
          : html`<button type="button" class="action" disabled=${locked || refused}
            aria-describedby=${locked ? "why-locked" : undefined}
              onClick=${() => setScoring(true)}>Score this conversation</button>`}
        ${locked && html`<p class="why"
          id="why-locked">A conversation is scored once it is over, so that the score stands for
          all of it. <button type="button" class="inline"
            onClick=${() => setStatus("inactive")}>Mark as inactive</button></p>`}
        <${Refusal} />
        <${Evaluations} projectId=${projectId} thread=${thread} />
      </section>
      <section><h3>Tags</h3><${Tags} tags=${thread.tags} ...${tags} /></section>
      <section><h3>Comments</h3><${Comments} comments=${thread.comments} ...${comments} /></section>
      <${Sessions} projectId=${projectId} thread=${thread} />
    </aside>`;
}

const WHY = { inactive: "silent for the timeout", requested: "marked as inactive", deleted: "deleted" };

function Sessions({ projectId, thread }) {
  const { value } = useLoad((signal) => api.sessions(projectId, thread.id, signal),
    [projectId, thread.id, thread.status, thread.last_updated_at]);
  const last = useKept(value, thread.id);
  if (!last?.sessions.length) return null;
  return html`
    <section><h3>Sessions</h3>
      <ol class="plain sessions" reversed>${last.sessions.map((session) => html`
        <li key=${session.id} class=${session.closed_at ? "" : "open"}>
          <p>${moment(session.opened_at)} · ${session.closed_at
            ? length(Math.max(0, Date.parse(session.closed_at) - Date.parse(session.opened_at))) : "open now"}</p>
          <p class="soft">${session.closed_at ? `closed ${moment(session.closed_at)}: ${WHY[session.reason] ?? session.reason}` : "still active"}</p>
        </li>`)}</ol>
    </section>`;
}
