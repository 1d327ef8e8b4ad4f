// Scores: shown, given with name, value, category and reason, and taken back.

import { html, useState } from "./library.js";
import { Icon, IconButton } from "./icons.js";
import { number } from "./format.js";
import { may } from "./rights.js";
import { oneLine } from "./text.js";

const SOURCES = { ui: "by a person here", sdk: "by an SDK", online_scoring: "by an evaluator" };

// Who gave a score, one line each; evaluators by their names, since a rule may have several.
const giversOf = (score) => Object.entries(score.value_by_author ?? {}).map(([author, given]) => [
  given.source === "online_scoring" ? `by the evaluator ${oneLine(author, 120)}` : SOURCES[given.source],
  Object.keys(score.value_by_author).length > 1 && number(given.value),
].filter(Boolean).join(": "));

export function ScoreChip({ score, remove }) {
  const told = [`${score.name}: ${score.value}`, score.category_name, score.reason, SOURCES[score.source]];
  return html`
    <span class="chip" title=${told.filter(Boolean).join("\n")}>
      <span class="chip-name">${oneLine(score.name, 60)}</span><b>${number(score.value)}</b>
      ${score.category_name && html`<span class="chip-note">${oneLine(score.category_name, 40)}</span>`}
      ${remove && html`<button type="button" class="chip-remove" aria-label="Delete the score ${score.name}"
        title="Delete this score" onClick=${() => remove(score.name)}><${Icon} name="close" /></button>`}
    </span>`;
}

// Scores in full, with their reasons.
export const ScoreList = ({ scores, remove }) => scores.length > 0 && html`
  <ul class="plain">${scores.map((score) => html`
    <li key=${score.name} class="score-row"><${ScoreChip} score=${score} remove=${remove} />
      ${score.reason && html`<p>${oneLine(score.reason, 500)}</p>`}
      ${giversOf(score).filter(Boolean).map((giver) => html`<p class="soft" key=${giver}>${giver}</p>`)}</li>`)}</ul>`;

// `give` takes { name, value, category_name?, reason? }.
export function ScoreForm({ give, done, names = [], label }) {
  const [draft, set] = useState({ name: "", value: "", category: "", reason: "" });
  const put = (field) => (event) => set({ ...draft, [field]: event.target.value });
  const value = Number(draft.value);
  const ready = draft.name.trim() && draft.value.trim() && Number.isFinite(value);
  const submit = (event) => {
    event.preventDefault();
    if (!ready) return;
    const given = { name: draft.name.trim(), value };
    if (draft.category.trim()) given.category_name = draft.category.trim();
    if (draft.reason.trim()) given.reason = draft.reason.trim();
    give(given);
    done();
  };
  return html`
    <form class="form" aria-label=${label} onSubmit=${submit}
      onKeyDown=${(event) => { if (event.key === "Escape") { event.stopPropagation(); done(); } }}>
      <label>Name<input autofocus required list="score-names" value=${draft.name} onInput=${put("name")} /></label>
      <datalist id="score-names">${names.map((name) => html`<option value=${name} />`)}</datalist>
      <label>Value<input required inputmode="decimal" value=${draft.value} onInput=${put("value")} /></label>
      <label>Category <input placeholder="optional" value=${draft.category} onInput=${put("category")} /></label>
      <label class="wide">Reason <textarea rows="2" placeholder="optional" value=${draft.reason}
        onInput=${put("reason")}></textarea></label>
      <div class="form-foot">
        <button type="button" class="action" onClick=${done}>Cancel</button>
        <button type="submit" class="action strong" disabled=${!ready}>Save score</button>
      </div>
    </form>`;
}

// The changes that `pending.js` takes, for whatever can be scored: `write` and `unwrite` call the API.
export function scoring(change, { write, unwrite }) {
  const without = (scores, name) => (scores ?? []).filter((score) => score.name !== name);
  const found = (entity, name) => entity.feedback_scores?.find((score) => score.name === name);
  return {
    give: (given) => change({
      about: `score ${given.name}`,
      write: () => write(given),
      apply: (entity) => ({ ...entity, feedback_scores: [...without(entity.feedback_scores, given.name), { ...given, source: "ui" }] }),
      holds: (entity) => {
        const score = found(entity, given.name);
        return score?.value === given.value && (given.reason === undefined || score.reason === given.reason);
      },
      failed: "The score was not saved.",
    }),
    remove: may("annotate") && ((name) => change({
      about: `score ${name}`,
      write: () => unwrite(name),
      apply: (entity) => ({ ...entity, feedback_scores: without(entity.feedback_scores, name) }),
      holds: (entity) => !found(entity, name),
      failed: "The score was not deleted.",
    })),
  };
}

export const Thumbs = ({ value, rate }) => html`
  <${IconButton} icon="up" label="Good answer" on=${value === 1} className="thumb good"
    act=${() => rate(value === 1 ? null : 1)} />
  <${IconButton} icon="down" label="Bad answer" on=${value === 0} className="thumb bad"
    act=${() => rate(value === 0 ? null : 0)} />`;
