// What evaluators said of a thread, session by session: also of earlier ones, whose scores count no more. It is fetched
// when someone wants to see it.

import * as api from "./api.js";
import { link } from "./address.js";
import { moment, number } from "./format.js";
import { html, useState } from "./library.js";
import { useLoad } from "./loading.js";
import { oneLine } from "./text.js";

const RULE = /^[0-9a-f]{8}-[0-9a-f-]{27}\//;

export function Evaluations({ projectId, thread }) {
  const [open, setOpen] = useState(false);
  const { value, error } = useLoad(async (signal) => (open ? (await api.evaluations(projectId, thread.id, signal)).content : null),
    [projectId, thread.id, thread.last_updated_at, open]);
  const sessions = Object.entries(Object.groupBy(value ?? [], (each) => each.closed_at));
  return html`
    <details class="evaluations" onToggle=${(event) => setOpen(event.currentTarget.open)}>
      <summary>What evaluators said, by session</summary>
      ${error && html`<p class="soft">${error.message}</p>`}
      ${open && value?.length === 0 && html`<p class="soft">Nothing: this thread has not been evaluated.</p>`}
      ${sessions.map(([closedAt, scores]) => html`
        <section key=${closedAt} aria-label=${`Session closed ${moment(closedAt)}`}>
          <h4>Closed ${moment(closedAt)}</h4>
          <ul class="plain">${scores.map((score) => html`
            <li key=${`${score.author} ${score.name}`}><p>${oneLine(score.name, 80)} <b>${number(score.value)}</b></p>
              <p class="soft">${score.reason && `${oneLine(score.reason, 300)} · `}<${Origin} score=${score} /></p></li>`)}</ul>
        </section>`)}
    </details>`;
}

// `origin` is rule, evaluator and version, joined by slashes.
function Origin({ score }) {
  const version = score.origin?.split("/").at(-1);
  const name = oneLine(score.author, 120);
  return html`${RULE.test(score.origin ?? "") ? html`<a href=${link({ view: "rules", thread: null })}>${name}</a>` : name}${version
    && `, version ${oneLine(version, 40)}`}`;
}
