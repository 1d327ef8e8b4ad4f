// Calls of the public API. Every failure is an Error whose message a person can act on.

const BASE = "api/v1/private/";
const workspace = new URLSearchParams(location.search).get("workspace");

async function call(method, path, { query, body, signal } = {}) {
  const url = new URL(BASE + path, document.baseURI);
  url.search = new URLSearchParams(query ?? {}).toString();
  const headers = workspace ? { "Comet-Workspace": workspace } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("Threadline does not answer. It may be restarting; this page tries again by itself.");
  }
  if (!response.ok) throw new Error(await reason(response));
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

async function reason(response) {
  const answer = await response.json().catch(() => ({}));
  if (response.status === 503) return "Storage is away. What is logged meanwhile is kept, and shown once it is back.";
  if (response.status === 429) return "Threadline is busy. This page tries again by itself.";
  return answer.message ?? answer.errors?.join("; ") ?? `The request failed (${response.status}).`;
}

export const projects = () => call("GET", "projects", { query: { size: 200 } });

export function threads(projectId, { size, search, signal }) {
  const query = { project_id: projectId, size, truncate: true };
  if (search) query.search = search;
  return call("GET", "traces/threads", { query, signal });
}

export function thread(projectId, threadId, signal) {
  return call("POST", "traces/threads/retrieve", {
    body: { project_id: projectId, thread_id: threadId, truncate: true }, signal,
  });
}

export function turns(projectId, threadId, { size, signal }) {
  const filters = JSON.stringify([{ field: "thread_id", operator: "=", value: threadId }]);
  const sorting = JSON.stringify([{ field: "start_time", direction: "DESC" }]);
  return call("GET", "traces", { query: { project_id: projectId, size, filters, sorting, truncate: true }, signal });
}

export const setStatus = (projectId, threadId, act) =>
  call("PUT", `traces/threads/${act}`, { body: { project_id: projectId, thread_id: threadId } });

export const rate = (traceId, value) =>
  call("PUT", `traces/${traceId}/feedback-scores`, { body: { name: FEEDBACK, value, source: "ui" } });

export const unrate = (traceId) =>
  call("POST", `traces/${traceId}/feedback-scores/delete`, { body: { name: FEEDBACK } });

export const FEEDBACK = "user_feedback";
