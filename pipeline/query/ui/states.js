// What stands where there is nothing to show: why, and what to do.

import { apiKey } from "./identity.js";
import { KeyForm } from "./key_form.js";
import { html } from "./library.js";

export const State = ({ title, children }) => html`<div class="state"><h2>${title}</h2>${children}</div>`;

export const Loading = ({ what }) => html`<div class="state loading" role="status"><p>Loading ${what}</p></div>`;

export const Failed = ({ error, retry }) => (error.refuses ? html`<${KeyWanted} error=${error} />` : html`
  <${State} title="That did not work">
    <p>${error.message}</p>
    ${retry && html`<button type="button" class="action" onClick=${retry}>Try again</button>`}
  </${State}>`);

const KeyWanted = ({ error }) => html`
  <${State} title=${apiKey() ? "This API key does not open it" : "An API key, please"}>
    <p>${error.message} Keys are made by whoever runs it, with <code>threadline keys create</code>.</p>
    <${KeyForm} title="Enter a key" />
  </${State}>`;

export function NoProject() {
  const address = new URL("api/", document.baseURI).href;
  const snippet = `export OPIK_URL_OVERRIDE=${address}

import opik

trace = opik.Opik().trace(name="chat", thread_id="conversation-1",
    input={"user": "Hello"})
trace.end(output={"assistant": "Hi, how can I help?"})`;
  return html`
    <${State} title="No conversations yet">
      <p>Point an application that logs with Opik at this address and give its traces a thread_id. They appear here by
        themselves.</p>
      <pre tabindex="0">${snippet}</pre>
    </${State}>`;
}

export const NoThread = ({ narrowed, clear }) => (narrowed
  ? html`
    <${State} title="Nothing matches">
      <p>No thread of this project meets the search and filters. Search looks at thread ids and at the first and last
        message.</p>
      <button type="button" class="action" onClick=${clear}>Show all threads</button>
    </${State}>`
  : html`
    <${State} title="No threads in this project">
      <p>Its traces carry no thread_id. Pass thread_id when you log a trace to group turns into a conversation.</p>
    </${State}>`);
