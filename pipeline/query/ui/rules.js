// The rules of online evaluation of a project: what scores its threads when they close.

import * as api from "./api.js";
import { told } from "./condition.js";
import { shown } from "./evaluators.js";
import { ago, number } from "./format.js";
import { Icon, IconButton } from "./icons.js";
import { html, useState } from "./library.js";
import { useLoad, useWhileVisible } from "./loading.js";
import { usePending } from "./pending.js";
import { Refusal, Writes, may } from "./rights.js";
import { RULE_FIELDS, RuleForm } from "./rule_form.js";
import { Failed, Loading, State } from "./states.js";
import { oneLine } from "./text.js";

const REFRESH_MS = 10_000;
const NEW = "new";

export function Rules({ projectId }) {
  const { value, error, reload } = useLoad(async (signal) => (await api.rules(projectId, signal)).content, [projectId]);
  useWhileVisible(reload, REFRESH_MS);
  const { shown: rules, change, unconfirmed } = usePending(value, reload);
  const [open, setOpen] = useState(null);
  if (error && !value) return html`<${Failed} error=${error} retry=${reload} />`;
  if (!rules) return html`<${Loading} what="the rules" />`;
  const acts = writing(change, projectId);
  const close = () => setOpen(null);
  return html`
    <div class="settings rules">
      <header class="overview-head"><h1>Rules</h1>
        ${unconfirmed > 0 && html`<span class="saving" role="status">Saving</span>`}
        <${Writes} right="admin"><button type="button" class="action strong" onClick=${() => setOpen(NEW)}><${Icon}
          name="plus" />New rule</button></${Writes}>
      </header>
      <p class="soft">When a thread of this project closes, every enabled rule that it meets has it scored. A change
        counts for threads that close from then on; scores that were given stay.</p>
      <${Refusal} right="admin" />
      ${open === NEW && html`<${RuleForm} save=${acts.make} done=${close} />`}
      ${!rules.length && open !== NEW && html`<${NoRule} />`}
      ${rules.map((rule) => (open === rule.id
        ? html`<${RuleForm} key=${rule.id} rule=${rule} save=${(wanted) => acts.save(rule, wanted)} done=${close} />`
        : html`<${Rule} key=${rule.id} rule=${rule} edit=${() => setOpen(rule.id)} acts=${acts} />`))}
    </div>`;
}

const NoRule = () => html`
  <${State} title="No rules yet">
    <p>Until there is one, closed threads are scored by the default evaluators of the installation, if it has any. The
      first rule takes their place in this project.</p>
  </${State}>`;

function Rule({ rule, edit, acts }) {
  const [isLeaving, setLeaving] = useState(false);
  return html`
    <article class="card rule ${rule.enabled ? "" : "off"}" aria-label=${`Rule ${rule.name}`}>
      <header>
        <h2>${oneLine(rule.name, 150)}</h2>
        <${Writes} right="admin">
          <label class="check"><input type="checkbox" role="switch" checked=${rule.enabled}
            onChange=${(event) => acts.save(rule, { enabled: event.target.checked })} />Enabled</label>
          <${IconButton} icon="edit" label="Change this rule" act=${edit} />
          <${IconButton} icon="bin" label="Delete this rule" act=${() => setLeaving(true)} />
        </${Writes}>
      </header>
      ${isLeaving && may("admin") && html`<p class="why">Delete this rule? Its scores stay.
        <button type="button" class="action" onClick=${() => acts.remove(rule)}>Delete</button>
        <button type="button" class="action" onClick=${() => setLeaving(false)}>Keep</button></p>`}
      <dl>
        <div><dt>Threads</dt><dd>${rule.filters?.length
          ? rule.filters.map((each) => html`<span class="chip condition"
            key=${told(RULE_FIELDS, each)}>${oneLine(told(RULE_FIELDS, each), 120)}</span>`)
          : "all that close"}${rule.sampling_rate < 1 && html`<span
            class="tag">${number(rule.sampling_rate * 100)} % of them</span>`}</dd></div>
        <div><dt>Evaluators</dt><dd>${rule.evaluators.map((each) => html`<${EvaluatorChip}
          key=${each.label ?? each.evaluator} of=${shown(each)} />`)}</dd></div>
      </dl>
      <small class="soft">changed ${ago(rule.last_updated_at)}</small>
    </article>`;
}

const EvaluatorChip = ({ of: { name, given } }) => html`
  <span class="chip" title=${given}><span class="chip-name">${oneLine(name, 80)}</span>${given && html`
    <span class="chip-note chip-name">${oneLine(given, 80)}</span>`}</span>`;

// Writes show at once and are confirmed when the API says the same; each tells whether it was accepted.
function writing(change, projectId) {
  const found = (rules, id) => rules.find((rule) => rule.id === id);
  const isNewer = (rule, answer) => rule && Date.parse(rule.last_updated_at) >= Date.parse(answer.last_updated_at);
  return {
    make: (wanted) => {
      let answer = null;
      return change({
        about: `new rule ${wanted.name}`,
        write: async () => { answer = await api.makeRule(projectId, wanted); },
        apply: (rules) => (answer && !found(rules, answer.id) ? [answer, ...rules] : rules),
        holds: (rules) => isNewer(found(rules, answer.id), answer),
        failed: "The rule was not saved.",
      });
    },
    save: (rule, wanted) => {
      let answer = null;
      return change({
        about: `rule ${rule.id}`,
        write: async () => { answer = await api.changeRule(rule.id, wanted); },
        apply: (rules) => rules.map((each) => (each.id === rule.id ? { ...each, ...wanted } : each)),
        holds: (rules) => !found(rules, rule.id) || isNewer(found(rules, rule.id), answer),
        failed: "The rule was not saved.",
      });
    },
    remove: (rule) => change({
      about: `rule ${rule.id}`,
      write: () => api.deleteRule(rule.id),
      apply: (rules) => rules.filter((each) => each.id !== rule.id),
      holds: (rules) => !found(rules, rule.id),
      failed: "The rule was not deleted.",
    }),
  };
}
