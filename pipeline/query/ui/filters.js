// The filter builder: the fields and operators of the API, and conditions that are kept in the address.

import { go } from "./address.js";
import { CHOICE, Condition, SIZE, fresh, isWhole, needsValue, told } from "./condition.js";
import { Icon } from "./icons.js";
import { html, useEffect, useRef, useState } from "./library.js";
import { oneLine } from "./text.js";

const TEXT = ["contains", "not_contains", "=", "!=", "starts_with", "ends_with", ">", "<"];
const LIST = ["contains", "not_contains", "=", "!=", "is_empty", "is_not_empty"];

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

const APPLY_MS = 350;

// The conditions of an address; what is not one of ours, or not complete, does not count.
export function read(text) {
  if (!text) return [];
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found.filter((each) => FIELDS[each?.field]?.operators.includes(each.operator) && isWhole(FIELDS, each)) : [];
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

export function FilterChips({ conditions }) {
  const without = (at) => go({ filters: written(conditions.filter((_, other) => other !== at)), page: null, until: null });
  return conditions.map((condition, at) => html`
    <span class="chip condition" key=${told(FIELDS, condition)}>${oneLine(told(FIELDS, condition), 120)}
      <button type="button" class="chip-remove" aria-label="Remove the filter ${told(FIELDS, condition)}"
        onClick=${() => without(at)}><${Icon} name="close" /></button></span>`);
}

export function FilterBuilder({ conditions, close, scoreNames }) {
  const [draft, set] = useState(conditions.length ? conditions : [fresh(FIELDS, "thread_id")]);
  const node = useRef();
  useEffect(() => node.current.querySelector("select").focus(), []);
  useEffect(() => {
    // What is being typed is applied once the hand rests.
    const timer = setTimeout(() => {
      const whole = draft.filter((each) => isWhole(FIELDS, each));
      if (written(whole) !== written(conditions)) go({ filters: written(whole), page: null, until: null }, { replace: true });
    }, APPLY_MS);
    return () => clearTimeout(timer);
  }, [draft]);
  const put = (at, change) => set(draft.map((each, other) => (other === at ? { ...each, ...change } : each)));
  return html`
    <section class="builder" ref=${node} aria-label="Filters"
      onKeyDown=${(event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } }}>
      ${draft.map((condition, at) => html`
        <${Condition} key=${at} fields=${FIELDS} condition=${condition} scoreNames=${scoreNames}
          put=${(change) => put(at, change)} remove=${() => set(draft.filter((_, other) => other !== at))} />`)}
      <div class="builder-foot">
        <button type="button" class="action" onClick=${() => set([...draft, fresh(FIELDS, "thread_id")])}><${Icon}
          name="plus" />Add a condition</button>
        <button type="button" class="action" onClick=${() => set([])} disabled=${!draft.length}>Clear</button>
        <button type="button" class="action strong" onClick=${close}>Done</button>
      </div>
    </section>`;
}
