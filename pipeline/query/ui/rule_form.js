// The form of a rule: which threads, how many of them, and what judges them.

import { Condition, CHOICE, SIZE, fresh, isWhole } from "./condition.js";
import { EVALUATORS, asked, drafted } from "./evaluators.js";
import { Icon, IconButton } from "./icons.js";
import { html, useState } from "./library.js";

const TEXT = ["contains", "not_contains", "=", "!=", "starts_with", "ends_with"];

export const RULE_FIELDS = {
  turns: { label: "Turns", operators: SIZE, input: "number" },
  duration_seconds: { label: "Duration (s)", operators: SIZE, input: "number" },
  thread_id: { label: "Thread id", operators: TEXT },
  first_message: { label: "First message", operators: TEXT },
  last_message: { label: "Last message", operators: TEXT },
  reason: { label: "Closed because", operators: CHOICE, values: ["inactive", "requested"] },
  environment: { label: "Environment", operators: TEXT },
  source: { label: "Source", operators: TEXT },
};
const OTHER = "other";

const begun = (rule) => ({
  name: rule?.name ?? "", enabled: rule?.enabled ?? true, filters: rule?.filters ?? [],
  percent: String(Number(((rule?.sampling_rate ?? 1) * 100).toFixed(6))),
  evaluators: (rule?.evaluators ?? [{ evaluator: "turns" }]).map(drafted),
});

// The rule as the API takes it; null while something is missing.
function whole(draft) {
  const evaluators = draft.evaluators.map(asked);
  const share = Number(draft.percent) / 100;
  const filters = draft.filters.map(({ field, operator, value }) => ({ field, operator, value: String(value).trim() }));
  const isReady = draft.name.trim() && draft.percent.trim() && share >= 0 && share <= 1 && evaluators.length
    && evaluators.every(Boolean) && filters.every((each) => isWhole(RULE_FIELDS, each));
  return isReady ? { name: draft.name.trim(), enabled: draft.enabled, sampling_rate: share, filters, evaluators } : null;
}

// `save` takes the whole rule and tells whether it was saved.
export function RuleForm({ rule, save, done }) {
  const [draft, set] = useState(() => begun(rule));
  const [saving, setSaving] = useState(false);
  const put = (change) => set((before) => ({ ...before, ...change }));
  const wanted = whole(draft);
  const submit = async (event) => {
    event.preventDefault();
    if (!wanted || saving) return;
    setSaving(true);
    if (await save(wanted)) done();
    else setSaving(false);
  };
  return html`
    <form class="card rule-form" onSubmit=${submit} aria-label=${rule ? `Rule ${rule.name}` : "New rule"}
      onKeyDown=${(event) => { if (event.key === "Escape") { event.stopPropagation(); done(); } }}>
      <label>Name<input autofocus required maxlength="200" value=${draft.name} placeholder="Long conversations"
        onInput=${(event) => put({ name: event.target.value })} /></label>
      <${Filters} filters=${draft.filters} put=${(filters) => put({ filters })} />
      <label>Share of these threads, in percent<input required inputmode="decimal" value=${draft.percent}
        onInput=${(event) => put({ percent: event.target.value })} /></label>
      <${Evaluators} evaluators=${draft.evaluators} put=${(evaluators) => put({ evaluators })} />
      <div class="form-foot">
        <label class="check"><input type="checkbox" checked=${draft.enabled}
          onChange=${(event) => put({ enabled: event.target.checked })} />Enabled</label>
        <button type="button" class="action" onClick=${done}>Cancel</button>
        <button type="submit" class="action strong" disabled=${!wanted || saving}>${saving ? "Saving" : "Save rule"}</button>
      </div>
    </form>`;
}

// The list with the item at `at` changed, or taken out.
const changed = (list, at, change) => list.map((each, other) => (other === at ? { ...each, ...change } : each));
const without = (list, at) => list.filter((_, other) => other !== at);

const Filters = ({ filters, put }) => html`
  <fieldset><legend>${filters.length ? "Threads that meet all of these" : "All threads that close"}</legend>
    ${filters.map((condition, at) => html`
      <${Condition} key=${at} fields=${RULE_FIELDS} condition=${condition}
        put=${(change) => put(changed(filters, at, change))} remove=${() => put(without(filters, at))} />`)}
    <button type="button" class="action" onClick=${() => put([...filters, fresh(RULE_FIELDS, "turns")])}><${Icon}
      name="plus" />Add a condition</button>
  </fieldset>`;

const Evaluators = ({ evaluators, put }) => html`
  <fieldset><legend>Evaluators</legend>
    ${evaluators.map((draft, at) => html`
      <${Evaluator} key=${at} draft=${draft} put=${(change) => put(changed(evaluators, at, change))}
        remove=${evaluators.length > 1 && (() => put(without(evaluators, at)))} />`)}
    <button type="button" class="action" onClick=${() => put([...evaluators, drafted({ evaluator: "turns" })])}><${Icon}
      name="plus" />Add an evaluator</button>
  </fieldset>`;

function Evaluator({ draft, put, remove }) {
  const known = draft.isOther ? null : EVALUATORS[draft.evaluator];
  const choose = (name) => put(name === OTHER ? { ...drafted({ evaluator: "" }), label: draft.label }
    : { ...drafted({ evaluator: name }), label: draft.label });
  const putParameter = (name) => (value) => put({ parameters: { ...draft.parameters, [name]: value } });
  return html`
    <div class="evaluator" role="group" aria-label=${known?.label ?? "Another evaluator"}>
      <div class="condition-row">
        <select aria-label="Evaluator" value=${draft.isOther ? OTHER : draft.evaluator}
          onChange=${(event) => choose(event.target.value)}>
          ${Object.entries(EVALUATORS).map(([name, { label }]) => html`<option value=${name}>${label}</option>`)}
          <option value=${OTHER}>Another, by its name</option>
        </select>
        <input aria-label="Label" placeholder="label, if there are two of a kind" value=${draft.label}
          onInput=${(event) => put({ label: event.target.value })} />
        ${remove && html`<${IconButton} icon="bin" label="Remove this evaluator" act=${remove} />`}
      </div>
      ${known && html`<p class="soft">${known.says}</p>`}
      ${known && Object.entries(known.parameters).map(([name, parameter]) => html`
        <${Parameter} key=${name} parameter=${parameter} value=${draft.parameters[name]} put=${putParameter(name)} />`)}
      ${!known && html`
        <label>Name<input required value=${draft.evaluator}
          onInput=${(event) => put({ evaluator: event.target.value })} /></label>
        <label>Parameters, as JSON<textarea rows="3" spellcheck="false" value=${draft.text}
          onInput=${(event) => put({ text: event.target.value })}></textarea></label>`}
    </div>`;
}

function Parameter({ parameter, value, put }) {
  const { label, kind, hint = "", required, values, least, most } = parameter;
  const typed = (event) => put(event.target.value);
  const asLines = (event) => put(event.target.value.split("\n"));
  const control = {
    text: () => html`<input required=${required} placeholder=${hint} value=${value ?? ""} onInput=${typed} />`,
    number: () => html`<input type="number" min=${least} max=${most} placeholder=${hint} value=${value ?? ""}
      onInput=${typed} />`,
    long: () => html`<textarea rows="3" required=${required} placeholder=${hint} value=${value ?? ""}
      onInput=${typed}></textarea>`,
    words: () => html`<textarea rows="2" required=${required} placeholder=${hint} value=${(value ?? []).join("\n")}
      onInput=${asLines}></textarea>`,
    choice: () => html`<select value=${value ?? values[0]} onChange=${typed}>${values.map((each) => html`
      <option>${each}</option>`)}</select>`,
  }[kind];
  return html`<label>${label}${required || kind === "choice" ? "" : " (optional)"}${control()}</label>`;
}
