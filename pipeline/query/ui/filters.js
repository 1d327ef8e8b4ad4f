// The filter builder: the fields and operators of the API, and conditions that are kept in the address.

import { go } from "./address.js";
import { Icon, IconButton } from "./icons.js";
import { html, useEffect, useRef, useState } from "./library.js";
import { oneLine } from "./text.js";

const TEXT = ["contains", "not_contains", "=", "!=", "starts_with", "ends_with", ">", "<"];
const SIZE = [">=", "<=", "=", "!=", ">", "<"];
const LIST = ["contains", "not_contains", "=", "!=", "is_empty", "is_not_empty"];
const CHOICE = ["=", "!="];

export const FIELDS = {
  thread_id: { label: "Thread id", operators: TEXT },
  status: { label: "Status", operators: CHOICE, values: ["active", "inactive"] },
  first_message: { label: "First message", operators: TEXT },
  last_message: { label: "Last message", operators: TEXT },
  tags: { label: "Tags", operators: LIST },
  feedback_scores: { label: "Score", operators: [...SIZE, "is_empty", "is_not_empty"], keyed: true, input: "number" },
  number_of_messages: { label: "Messages", operators: SIZE, input: "number" },
  duration: { label: "Duration (ms)", operators: SIZE, input: "number" },
  start_time: { label: "First turn", operators: SIZE, input: "datetime-local" },
  end_time: { label: "Last turn", operators: SIZE, input: "datetime-local" },
  created_at: { label: "Created", operators: SIZE, input: "datetime-local" },
  last_updated_at: { label: "Last activity", operators: SIZE, input: "datetime-local" },
  environment: { label: "Environment", operators: CHOICE },
  source: { label: "Source", operators: CHOICE, values: ["sdk", "evaluator", "playground", "experiment", "optimization"] },
};

const WORDS = {
  contains: "contains", not_contains: "does not contain", "=": "is", "!=": "is not", starts_with: "starts with",
  ends_with: "ends with", is_empty: "is empty", is_not_empty: "is not empty", ">": ">", "<": "<", ">=": "≥", "<=": "≤",
};
const APPLY_MS = 350;

const needsValue = (condition) => !condition.operator.startsWith("is_");
const isWhole = (condition) => (!FIELDS[condition.field].keyed || condition.key?.trim())
  && (!needsValue(condition) || String(condition.value ?? "").trim() !== "");

// The conditions of an address; what is not one of ours, or not complete, does not count.
export function read(text) {
  if (!text) return [];
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found.filter((each) => FIELDS[each?.field]?.operators.includes(each.operator) && isWhole(each)) : [];
  } catch {
    return [];
  }
}

// As the API takes them: times with their zone.
export const asked = (conditions) => conditions.map(({ field, operator, key, value }) => ({
  field, operator, ...(key ? { key } : {}),
  value: FIELDS[field].input === "datetime-local" && needsValue({ operator }) ? new Date(value).toISOString() : value ?? "",
}));

const written = (conditions) => (conditions.length ? JSON.stringify(conditions) : null);

const told = ({ field, operator, key, value }) =>
  [FIELDS[field].label, key, WORDS[operator], needsValue({ operator }) && `“${value}”`].filter(Boolean).join(" ");

export function FilterChips({ conditions }) {
  const without = (at) => go({ filters: written(conditions.filter((_, other) => other !== at)), page: null, until: null });
  return conditions.map((condition, at) => html`
    <span class="chip condition" key=${told(condition)}>${oneLine(told(condition), 120)}
      <button type="button" class="chip-remove" aria-label="Remove the filter ${told(condition)}"
        onClick=${() => without(at)}><${Icon} name="close" /></button></span>`);
}

export function FilterBuilder({ conditions, close, scoreNames }) {
  const [draft, set] = useState(conditions.length ? conditions : [fresh("thread_id")]);
  const node = useRef();
  useEffect(() => node.current.querySelector("select").focus(), []);
  useEffect(() => {
    // What is being typed is applied once the hand rests.
    const timer = setTimeout(() => {
      const whole = draft.filter(isWhole);
      if (written(whole) !== written(conditions)) go({ filters: written(whole), page: null, until: null }, { replace: true });
    }, APPLY_MS);
    return () => clearTimeout(timer);
  }, [draft]);
  const put = (at, change) => set(draft.map((each, other) => (other === at ? { ...each, ...change } : each)));
  return html`
    <section class="builder" ref=${node} aria-label="Filters"
      onKeyDown=${(event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } }}>
      ${draft.map((condition, at) => html`
        <${Condition} key=${at} condition=${condition} put=${(change) => put(at, change)} scoreNames=${scoreNames}
          remove=${() => set(draft.filter((_, other) => other !== at))} />`)}
      <div class="builder-foot">
        <button type="button" class="action" onClick=${() => set([...draft, fresh("thread_id")])}><${Icon}
          name="plus" />Add a condition</button>
        <button type="button" class="action" onClick=${() => set([])} disabled=${!draft.length}>Clear</button>
        <button type="button" class="action strong" onClick=${close}>Done</button>
      </div>
    </section>`;
}

const fresh = (field) => ({ field, operator: FIELDS[field].operators[0], value: FIELDS[field].values?.[0] ?? "" });

function Condition({ condition, put, remove, scoreNames }) {
  const field = FIELDS[condition.field];
  return html`
    <div class="condition-row">
      <select aria-label="Field" value=${condition.field}
        onChange=${(event) => put({ key: undefined, ...fresh(event.target.value) })}>
        ${Object.entries(FIELDS).map(([name, { label }]) => html`<option value=${name}>${label}</option>`)}
      </select>
      ${field.keyed && html`<input aria-label="Score name" placeholder="name" list="filter-score-names"
        value=${condition.key ?? ""}
        onInput=${(event) => put({ key: event.target.value })} />
        <datalist id="filter-score-names">${scoreNames.map((name) => html`<option value=${name} />`)}</datalist>`}
      <select aria-label="Operator" value=${condition.operator}
        onChange=${(event) => put({ operator: event.target.value })}>
        ${field.operators.map((name) => html`<option value=${name}>${WORDS[name]}</option>`)}
      </select>
      ${needsValue(condition) && (field.values
        ? html`<select aria-label="Value" value=${condition.value}
          onChange=${(event) => put({ value: event.target.value })}>
            ${field.values.map((value) => html`<option>${value}</option>`)}</select>`
        : html`<input aria-label="Value" type=${field.input ?? "text"} step="any" placeholder="value"
          value=${condition.value}
            onInput=${(event) => put({ value: event.target.value })} />`)}
      <${IconButton} icon="bin" label="Remove this condition" act=${remove} />
    </div>`;
}
