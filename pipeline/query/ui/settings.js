// What a workspace sets, and who asks.

import * as api from "./api.js";
import { plural } from "./format.js";
import { KeyForm } from "./key_form.js";
import { html, useEffect, useState } from "./library.js";
import { useLoad } from "./loading.js";
import { notice } from "./notice.js";
import { Refusal, Writes } from "./rights.js";
import { Failed, Loading } from "./states.js";

const TIMEOUTS = {
  PT1M: "1 minute", PT5M: "5 minutes", PT15M: "15 minutes", PT30M: "30 minutes",
  PT1H: "1 hour", PT24H: "1 day", PT168H: "7 days",
};
const REGIMES = {
  strict: "Strict: a conversation is scored once it is over; reopening takes human scores back",
  lenient: "Lenient: a conversation can be scored at any time, and every score counts",
};

export const Settings = () => html`
  <div class="settings"><h1>Settings</h1><${Configuration} /><${KeyForm} title="This tab" /></div>`;

function Configuration() {
  const loaded = useLoad((signal) => api.configuration(signal), []);
  const defaults = useLoad((signal) => api.defaults(signal), []).value;
  const [draft, set] = useState(null);
  const [state, setState] = useState("");
  useEffect(() => { if (loaded.value && !draft) set(loaded.value); }, [loaded.value]);
  if (loaded.error?.refuses) return html`<p class="why">${loaded.error.message}</p>`;
  if (loaded.error && !draft) return html`<${Failed} error=${loaded.error} retry=${loaded.reload} />`;
  if (!draft) return html`<${Loading} what="the settings" />`;
  const timeout = draft.timeout_to_mark_thread_as_inactive ?? "";
  const put = (change) => { set({ ...draft, ...change }); setState(""); };
  const save = async (event) => {
    event.preventDefault();
    setState("Saving");
    try {
      // A request stands for the whole configuration, so what this page does not show goes along.
      set(await api.configure({
        ...draft,
        timeout_to_mark_thread_as_inactive: timeout || null,
        thread_score_regime: draft.thread_score_regime || null,
      }));
      setState("Saved");
    } catch (error) {
      setState("");
      notice(`The settings were not saved. ${error.message}`);
    }
  };
  const asOthers = (value) => (value ? `As the installation says: ${value}` : "As the installation says");
  const timeouts = {
    "": asOthers(readable(defaults?.timeout_to_mark_thread_as_inactive ?? "")), ...TIMEOUTS,
    ...(timeout && !(timeout in TIMEOUTS) ? { [timeout]: readable(timeout) } : {}),
  };
  const regimes = { "": asOthers(defaults?.thread_score_regime), ...REGIMES };
  return html`
    <form class="card" onSubmit=${save} aria-label="Workspace">
      <h2>Workspace</h2>
      <${Refusal} right="admin" />
      <${Writes} right="admin">
      <label>A thread is inactive after this much silence
        <select value=${timeout} onChange=${(event) => put({ timeout_to_mark_thread_as_inactive: event.target.value })}>
          ${Object.entries(timeouts).map(([value, label]) => html`<option key=${value}
            value=${value}>${label}</option>`)}</select></label>
      <p class="soft">In force for open threads at once: those that have been silent for longer are closed.</p>
      <label>Scores of conversations
        <select value=${draft.thread_score_regime ?? ""}
          onChange=${(event) => put({ thread_score_regime: event.target.value })}>
          ${Object.entries(regimes).map(([value, label]) => html`<option key=${value}
            value=${value}>${label}</option>`)}</select></label>
      <div class="form-foot"><span role="status">${state}</span><button type="submit"
        class="action strong">Save</button></div>
      </${Writes}>
    </form>`;
}

// PT1H30M as people say it.
function readable(iso) {
  if (TIMEOUTS[iso]) return TIMEOUTS[iso];
  const found = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$/.exec(iso);
  if (!found) return iso;
  const [hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  return [[hours, "hour"], [minutes, "minute"], [seconds, "second"]].filter(([count]) => count)
    .map(([count, unit]) => plural(count, unit)).join(" ");
}
