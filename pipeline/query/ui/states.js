// What stands where there is nothing to show: why, and what to do.

import { element } from "./elements.js";

const state = (title, ...content) => element("div", { className: "state-inner" }, element("h2", { text: title }), ...content);
const words = (text) => element("p", { text });

export function noProject() {
  const address = new URL("api/", document.baseURI).href;
  const snippet = [`export OPIK_URL_OVERRIDE=${address}`, "", "import opik", "",
    'trace = opik.Opik().trace(name="chat", thread_id="conversation-1",', '    input={"user": "Hello"})',
    'trace.end(output={"assistant": "Hi, how can I help?"})'].join("\n");
  return state("No conversations yet",
    words("Point an application that logs with Opik at this address and give its traces a thread_id. They appear here by themselves."),
    element("pre", { text: snippet }));
}

export const noThread = (searched) => (searched
  ? state("Nothing matches", words("No thread id, first or last message contains these words. Search looks at this project only."))
  : state("No threads in this project", words("Its traces carry no thread_id. Pass thread_id when you log a trace to group turns into a conversation.")));

export const choose = () => state("Choose a conversation", words("Open a thread on the left to read it turn by turn, rate answers and change its status."));

export const loading = (what) => state(`Loading ${what}`, element("p", { className: "dots", text: "one moment" }));

export const failed = (reason) => state("Not reachable", words(reason));

export const gone = () => state("This thread is gone", words("It was deleted, or its traces moved to another thread."));
