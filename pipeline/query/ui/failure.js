// An error of a trace or span, shown as one.

import { html } from "./library.js";
import { plain } from "./text.js";

export function ErrorShown({ error }) {
  const title = [error.exception_type, error.message].filter(Boolean).join(": ") || "The call failed";
  return html`
    <div class="failed">
      <p class="failed-title">${plain(title)}</p>
      ${error.traceback && html`<details><summary>Traceback</summary>
        <pre class="json" tabindex="0">${plain(error.traceback)}</pre></details>`}
    </div>`;
}
