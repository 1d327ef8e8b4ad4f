// One turn of a conversation: what was asked, what was answered or went wrong, and what people thought of it.

import * as api from "./api.js";
import { Comments, TagChip, Tags, commenting, tagging } from "./annotations.js";
import { ErrorShown } from "./failure.js";
import { clock, length, plural } from "./format.js";
import { Icon, IconButton } from "./icons.js";
import { link } from "./address.js";
import { html, useEffect, useRef, useState } from "./library.js";
import { instructions, isShortened, said } from "./messages.js";
import { Json, Markdown, Parts, useNear } from "./parts.js";
import { usePending } from "./pending.js";
import { Refusal, Writes, ifAllowed } from "./rights.js";
import { ScoreChip, ScoreForm, Thumbs, scoring } from "./scores.js";

// `arm(id, acts)` hands the turn's acts to the keyboard.
export function Turn({ turn, projectId, isFirst, isCurrent, isAwaited, reload, arm, scoreNames, choose }) {
  const node = useRef();
  const whole = useWhole(turn, node);
  const { shown, change, unconfirmed } = usePending(turn, reload);
  const [drawer, setDrawer] = useState(null);
  const scores = scoring(change, {
    write: (given) => api.score("traces", turn.id, projectId, given),
    unwrite: (name) => api.unscore("traces", turn.id, name),
  });
  const thumb = shown.feedback_scores?.find((score) => score.name === api.FEEDBACK)?.value;
  const rate = (value) => (value === null ? scores.remove(api.FEEDBACK) : scores.give({ name: api.FEEDBACK, value }));
  const toggle = (name) => setDrawer(drawer === name ? null : name);
  useEffect(() => arm(turn.id, {
    rate: (value) => ifAllowed("annotate", () => rate(thumb === value ? null : value)),
    show: () => node.current?.scrollIntoView({ block: "nearest" }),
  }));
  return html`
    <article ref=${node} class="turn ${isCurrent ? "current" : ""}" data-trace=${turn.id} onClick=${choose}
      aria-label="Turn of ${clock(turn.start_time)}">
      ${isFirst && html`<${System} input=${whole.input} />`}
      <${Bubble} side="user" value=${whole.input} note=${clock(turn.start_time)} />
      <${Answer} turn=${{ ...turn, output: whole.output }} isAwaited=${isAwaited} />
      <footer class="review">
        <${Writes}><${Thumbs} value=${thumb} rate=${rate} />
          <${IconButton} icon="star" label="Score this answer" act=${() => toggle("score")} on=${drawer === "score"} />
        </${Writes}>
        <${IconButton} icon="comment" label="Comments and tags" act=${() => toggle("remarks")}
          on=${drawer === "remarks"} />
        <${IconButton} icon="code" label="Raw JSON" act=${() => toggle("raw")} on=${drawer === "raw"} />
        <a class="view-trace" href=${link({ trace: turn.id })}><${Icon} name="tree" />View trace</a>
        ${(shown.feedback_scores ?? []).filter((score) => score.name !== api.FEEDBACK).map((score) => html`
          <${ScoreChip} key=${score.name} score=${score} remove=${scores.remove} />`)}
        ${(shown.tags ?? []).map((tag) => html`<${TagChip} key=${tag} tag=${tag} />`)}
        ${shown.comments?.length > 0 && drawer !== "remarks" && html`
          <button type="button" class="quiet"
            onClick=${() => toggle("remarks")}>${plural(shown.comments.length, "comment")}</button>`}
        ${unconfirmed > 0 && html`<span class="saving" role="status">Saving</span>`}
      </footer>
      ${drawer === "score" && html`
        <${ScoreForm} label="Score this answer" names=${scoreNames} give=${scores.give}
          done=${() => setDrawer(null)} />`}
      ${drawer === "remarks" && html`<${Remarks} turn=${shown} change=${change} />`}
      ${drawer === "raw" && html`<div class="raw-json">
        <${Json} label="Raw trace" value=${{ ...turn, input: whole.input, output: whole.output }} /></div>`}
    </article>`;
}

// What the list left out of long turns and of pictures is fetched when the turn comes near the screen.
function useWhole(turn, node) {
  const [whole, set] = useState(null);
  const near = useNear(node);
  const shortened = isShortened(turn.input) || isShortened(turn.output);
  useEffect(() => {
    if (!near || !shortened) return undefined;
    const leaving = new AbortController();
    api.trace(turn.id, leaving.signal).then(set, (error) => {
      if (error.name !== "AbortError") set(null); // what is shown of it stays
    });
    return () => leaving.abort();
  }, [near, shortened, turn.last_updated_at]);
  return shortened && whole ? whole : turn;
}

function System({ input }) {
  const text = instructions(input);
  return text && html`<details class="system"><summary>System instructions</summary><${Markdown}
    text=${text} /></details>`;
}

function Answer({ turn, isAwaited }) {
  if (turn.error_info) {
    return html`<div class="bubble assistant error"><${ErrorShown} error=${turn.error_info} /><${Took} turn=${turn} />
      ${turn.output !== undefined && html`<${Parts} parts=${said(turn.output, "assistant")} />`}</div>`;
  }
  if (turn.output === undefined && turn.end_time === undefined) {
    return html`<div class="bubble assistant waiting"><p>${isAwaited ? "Waiting for the answer" : "no answer"}</p></div>`;
  }
  const took = [turn.end_time && clock(turn.end_time), turn.duration !== undefined && `took ${length(turn.duration)}`];
  return html`<${Bubble} side="assistant" value=${turn.output} note=${took.filter(Boolean).join(" · ")} />`;
}

const Took = ({ turn }) => turn.duration !== undefined && html`<small>failed after ${length(turn.duration)}</small>`;

function Bubble({ side, value, note }) {
  const parts = said(value, side);
  return html`
    <div class="bubble ${side}">
      <span class="unseen">${side === "user" ? "User:" : "Assistant:"}</span>
      ${parts.length ? html`<${Parts} parts=${parts} />` : html`<p
        class="none">${side === "user" ? "no input" : "no output"}</p>`}
      <small>${note}</small>
    </div>`;
}

export function Remarks({ turn, change }) {
  const tags = tagging(change, (told) => api.tagTrace(turn.id, told), "ingest");
  const comments = commenting(change, {
    add: (text) => api.comment("traces", turn.id, text),
    edit: (id, text) => api.editComment("traces", id, text),
    remove: (id) => api.deleteComment("traces", id),
  }, () => turn.comments);
  return html`
    <section class="remarks" aria-label="Comments and tags of this turn">
      <${Tags} tags=${turn.tags} ...${tags} />
      <${Refusal} right="ingest" />
      <${Comments} comments=${turn.comments} ...${comments} />
    </section>`;
}
