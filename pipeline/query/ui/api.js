// Calls of the public API, one function each. Every failure is a Failure whose message a person can act on.

import { apiKey, headers } from "./identity.js";

export const BASE = new URL("api/v1/private/", document.baseURI);
export const FEEDBACK = "user_feedback";
const SPANS_PAGE = 2000;

export class Failure extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  // Whether another key is wanted.
  get refuses() {
    return this.status === 401 || this.status === 403;
  }

  // Whether it may go well later without anyone doing anything.
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

async function call(method, path, { query = {}, body, signal } = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "") continue;
    url.searchParams.set(name, typeof value === "object" ? JSON.stringify(value) : value);
  }
  const answer = await fetched(url, {
    method, signal,
    headers: body === undefined ? headers() : { ...headers(), "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

// Also what reads a stream of events uses: one way to fail.
export async function fetched(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("Threadline does not answer. It may be restarting; this page tries again by itself.", 0);
  }
  if (!answer.ok) throw new Failure(await reason(answer), answer.status);
  return answer;
}

async function reason(answer) {
  const text = await answer.text();
  if (answer.status === 503) return "Storage is away. What is logged meanwhile is kept, and shown once it is back.";
  if (answer.status === 429) return "Threadline is busy. This page tries again by itself.";
  if (answer.status === 401 && !apiKey()) return "Threadline asks for an API key here.";
  try {
    const told = JSON.parse(text);
    return sentence(told.message ?? told.errors.join("; "));
  } catch {
    return `The request failed with status ${answer.status}.`;
  }
}

const sentence = (text) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

// { workspace_name, rights }; without `rights` no keys are in force.
export const caller = (signal) => call("GET", "auth/workspace", { signal });

export const projects = (signal) => call("GET", "projects", { query: { size: 500 }, signal });

export const threads = (projectId, { page, size, filters, search, sorting, signal }) =>
  call("GET", "traces/threads", {
    query: { project_id: projectId, page, size, search, filters, sorting, truncate: true }, signal,
  });

export const thread = (projectId, threadId, signal) =>
  call("POST", "traces/threads/retrieve", {
    body: { project_id: projectId, thread_id: threadId, truncate: true }, signal,
  });

export const turns = (projectId, threadId, { page, size, signal }) =>
  call("GET", "traces", {
    query: {
      project_id: projectId, page, size, truncate: true,
      filters: [{ field: "thread_id", operator: "=", value: threadId }],
      sorting: [{ field: "start_time", direction: "DESC" }],
    },
    signal,
  });

export const sessions = (projectId, threadId, signal) =>
  call("GET", "traces/threads/sessions", { query: { project_id: projectId, thread_id: threadId }, signal });

export const scoreNames = (projectId, signal) =>
  call("GET", "traces/threads/feedback-scores/names", { query: { project_id: projectId }, signal });

export const trace = (traceId, signal) => call("GET", `traces/${traceId}`, { signal });
export const span = (spanId, signal) => call("GET", `spans/${spanId}`, { signal });

// All spans of a trace without what they carry; a page at a time, since there may be thousands.
export async function spans(projectId, traceId, signal) {
  const page = (number) => call("GET", "spans", {
    query: {
      project_id: projectId, trace_id: traceId, page: number, size: SPANS_PAGE,
      exclude: ["input", "output", "metadata", "comments", "feedback_scores"],
    },
    signal,
  });
  const first = await page(1);
  const numbers = Array.from({ length: Math.ceil(first.total / SPANS_PAGE) - 1 }, (_, at) => at + 2);
  const rest = await Promise.all(numbers.map(page));
  return [first, ...rest].flatMap(({ content }) => content);
}

export const setStatus = (projectId, threadId, status) =>
  call("PUT", `traces/threads/${status === "active" ? "open" : "close"}`, {
    body: { project_id: projectId, thread_id: threadId },
  });

// `kind` is "traces" or "spans"; scores of threads are commands with a body of their own.
export const score = (kind, entityId, projectId, given) =>
  call("PUT", `${kind}/${entityId}/feedback-scores`, { body: { ...given, project_id: projectId, source: "ui" } });

export const unscore = (kind, entityId, name) =>
  call("POST", `${kind}/${entityId}/feedback-scores/delete`, { body: { name } });

export const scoreThread = (projectId, threadId, given) =>
  call("PUT", "traces/threads/feedback-scores", {
    body: { scores: [{ ...given, project_id: projectId, thread_id: threadId, source: "ui" }] },
  });

export const unscoreThread = (projectId, threadId, name) =>
  call("POST", "traces/threads/feedback-scores/delete", {
    body: { project_id: projectId, thread_id: threadId, names: [name] },
  });

export const tagTrace = (traceId, change) => call("PATCH", `traces/${traceId}`, { body: change });
export const tagThread = (modelId, change) => call("PATCH", `traces/threads/${modelId}`, { body: change });

// `kind` is "traces" or "traces/threads"; the id of a thread is its model id.
export const comment = (kind, entityId, text) => call("POST", `${kind}/${entityId}/comments`, { body: { text } });
export const editComment = (kind, commentId, text) =>
  call("PATCH", `${kind}/comments/${commentId}`, { body: { text } });
export const deleteComment = (kind, commentId) => call("POST", `${kind}/comments/delete`, { body: { ids: [commentId] } });

// What holds where the workspace has set nothing; `configuration` is what it set itself.
export const defaults = (signal) => call("GET", "workspaces/configurations/defaults", { signal });
export const configurationInForce = async (signal) =>
  Object.assign({}, ...await Promise.all([defaults(signal), configuration(signal)]));
export const configuration = (signal) => call("GET", "workspaces/configurations", { signal });
export const configure = (wanted) => call("PUT", "workspaces/configurations", { body: wanted });

export const evaluations = (projectId, threadId, signal) =>
  call("GET", "traces/threads/evaluations", { query: { project_id: projectId, thread_id: threadId }, signal });

// Rules of online evaluation.
export const rules = (projectId, signal) =>
  call("GET", "automations/evaluators", { query: { project_id: projectId }, signal });
export const makeRule = (projectId, rule) =>
  call("POST", "automations/evaluators", { body: { ...rule, project_id: projectId } });
export const changeRule = (ruleId, change) => call("PATCH", `automations/evaluators/${ruleId}`, { body: change });
export const deleteRule = (ruleId) => call("DELETE", `automations/evaluators/${ruleId}`);

export const overview = (projectId, hours, signal) =>
  call("GET", `projects/${projectId}/overview`, { query: { hours }, signal });
