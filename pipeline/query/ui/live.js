// What happens to the threads of a project, as it happens: server-sent events, read with fetch since an EventSource
// cannot say who asks. A broken stream is opened again, and then whoever listens is told that it missed something.

import { BASE, fetched } from "./api.js";
import { headers } from "./identity.js";
import { useEffect, useRef, useState } from "./library.js";

const AGAIN_MS = 2000;

// Returns whether the stream stands; calls `hear(name, content)` for each event: opened, closed, missed.
export function useLive(projectId, hear) {
  const [stands, setStands] = useState(null);
  const listener = useRef(hear);
  listener.current = hear;
  useEffect(() => {
    if (!projectId) return undefined;
    const leaving = new AbortController();
    keepListening(projectId, leaving.signal, (name, content) => {
      if (name === "ready") setStands(true);
      else listener.current(name, content);
    }, () => setStands(false));
    return () => leaving.abort();
  }, [projectId]);
  return stands;
}

async function keepListening(projectId, signal, hear, lost) {
  const url = new URL("traces/threads/live", BASE);
  url.searchParams.set("project_id", projectId);
  for (let first = true; !signal.aborted; first = false) {
    try {
      const answer = await fetched(url, { headers: headers(), signal });
      if (!first) hear("missed", {});
      await eachEvent(answer.body, hear);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.refuses) { // until another key is entered
        lost();
        return;
      }
    }
    lost();
    await new Promise((resume) => setTimeout(resume, AGAIN_MS));
  }
}

async function eachEvent(stream, hear) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (unread + value).split("\n\n");
    unread = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
      if (fields.event) hear(fields.event, JSON.parse(fields.data));
    }
  }
}
