// One condition of a filter: a field, an operator and a value. What fields there are is handed in, by name:
// { label, operators, values?, input?, keyed? }.

import { IconButton } from "./icons.js";
import { html } from "./library.js";

export const SIZE = [">=", "<=", "=", "!=", ">", "<"];
export const CHOICE = ["=", "!="];

const WORDS = {
  contains: "contains", not_contains: "does not contain", "=": "is", "!=": "is not", starts_with: "starts with",
  ends_with: "ends with", is_empty: "is empty", is_not_empty: "is not empty", ">": ">", "<": "<", ">=": "≥", "<=": "≤",
};

export const needsValue = (condition) => !condition.operator.startsWith("is_");

export const isWhole = (fields, condition) => (!fields[condition.field].keyed || condition.key?.trim())
  && (!needsValue(condition) || String(condition.value ?? "").trim() !== "");

export const told = (fields, { field, operator, key, value }) =>
  [fields[field]?.label ?? field, key, WORDS[operator], needsValue({ operator }) && `“${value}”`].filter(Boolean).join(" ");

export const fresh = (fields, field) =>
  ({ field, operator: fields[field].operators[0], value: fields[field].values?.[0] ?? "" });

export function Condition({ fields, condition, put, remove, scoreNames = [] }) {
  const field = fields[condition.field];
  return html`
    <div class="condition-row">
      <select aria-label="Field" value=${condition.field}
        onChange=${(event) => put({ key: undefined, ...fresh(fields, event.target.value) })}>
        ${Object.entries(fields).map(([name, { label }]) => html`<option value=${name}>${label}</option>`)}
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
