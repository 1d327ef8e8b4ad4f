// Who asks: entered here, kept in this tab only.

import { apiKey, become, workspace } from "./identity.js";
import { html, useState } from "./library.js";

export function KeyForm({ title }) {
  const [draft, set] = useState({ key: apiKey(), workspace: workspace() });
  const save = (event) => {
    event.preventDefault();
    const wanted = draft.workspace.trim();
    // A link to a thread leads there once the key is in; another workspace has other projects and threads.
    if (wanted !== workspace()) location.hash = "";
    become(draft.key.trim(), wanted);
    location.reload(); // everything on the page is of the one who asked
  };
  return html`
    <form class="card" onSubmit=${save} aria-label="Who asks">
      <h2>${title}</h2>
      <label>Workspace<input value=${draft.workspace} placeholder="default" autocomplete="off"
        onInput=${(event) => set({ ...draft, workspace: event.target.value })} /></label>
      <label>API key<input type="password" value=${draft.key} autocomplete="off" placeholder="none"
        onInput=${(event) => set({ ...draft, key: event.target.value })} /></label>
      <p class="soft">Kept in this tab only, and forgotten when it is closed.</p>
      <div class="form-foot"><button type="submit" class="action strong">Use them</button></div>
    </form>`;
}
