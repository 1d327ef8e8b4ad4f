// What was said in a turn, whatever shape the SDK sent: a string, {"user"} and {"assistant"}, a history of messages,
// choices, candidates, contents, parts. No drawing here: values in, parts out.
//
// A part is { kind: "text", text }, { kind: "image", url }, { kind: "tool", name, detail } or { kind: "json", value }.

import { unmarked } from "./text.js";

const SPEAKERS = new Map(Object.entries({
  user: "user", human: "user", humanmessage: "user",
  assistant: "assistant", ai: "assistant", model: "assistant", agent: "assistant", aimessage: "assistant",
  aimessagechunk: "assistant", system: "system", developer: "system", systemmessage: "system",
  tool: "tool", function: "tool", toolmessage: "tool",
}));
const NAMES = {
  user: ["user", "question", "query", "prompt", "user_input", "message", "input", "text", "messages", "contents",
    "content", "parts", "new_message"],
  assistant: ["assistant", "answer", "response", "output_text", "output", "choices", "candidates", "message", "messages",
    "generations", "content", "parts", "text", "result"],
};
const IMAGE = /^(https?:\/\/|data:image\/(png|jpe?g|gif|webp|avif|bmp);base64,)/i;
const RESULTS = ["function_call_output", "tool_result", "tool_call_response"];
const DEPTH_MAX = 8;

// The parts of `value`, which is the input (side "user") or output (side "assistant") of a trace.
export function said(value, side) {
  if (value === null || value === undefined) return [];
  const parts = inside(value, side, 0) ?? [];
  return parts.length ? parts : [{ kind: "json", value }];
}

// The instructions in front of a history or beside it, as text; null where there are none.
export function instructions(value) {
  const history = historyIn(value);
  const found = history?.filter((message) => speaker(message) === "system").map(body) ?? [];
  const text = [...found, value?.system_instructions].flatMap((told) => inside(told, "user", 1) ?? [])
    .filter((part) => part.kind === "text").map((part) => part.text).join("\n\n");
  return text || null;
}

// One line of what was said, for lists.
export function summary(value, side) {
  return said(value, side)
    .map((part) => ({ text: part.kind === "text" && unmarked(part.text), image: "[image]", tool: `${part.name}()`, json: JSON.stringify(part.value) })[part.kind])
    .join(" ");
}

// Whether the API gave a shortened value: cut at 10,001 characters, or without its images.
export const isShortened = (value) =>
  (typeof value === "string" && value.length >= 10_001) ||
  (value !== null && value !== undefined && JSON.stringify(value).includes("[image]"));

function inside(value, side, depth) {
  if (typeof value === "string") return value.trim() ? [ofText(value)] : [];
  if (typeof value === "number" || typeof value === "boolean") return [{ kind: "text", text: String(value) }];
  if (value === null || value === undefined || depth > DEPTH_MAX) return null;
  return Array.isArray(value) ? ofList(value, side, depth) : ofObject(value, side, depth);
}

const ofText = (text) => (text.startsWith("data:") && IMAGE.test(text) ? { kind: "image", url: text } : { kind: "text", text });

function ofList(list, side, depth) {
  const messages = list.some(speaker) ? newIn(list, side) : list;
  const parts = messages.flatMap((item) => inside(item, side, depth + 1) ?? []);
  return parts.length ? parts : null;
}

// Of a history that repeats the conversation, what this turn added: what the user said after the last answer, or what
// was answered after the user's last words.
function newIn(list, side) {
  const last = (wanted) => list.findLastIndex((item) => speaker(item) === wanted);
  if (side === "assistant") {
    const added = list.slice(last("user") + 1);
    return added.filter((item) => ["assistant", "tool"].includes(speaker(item)));
  }
  const added = list.slice(last("assistant") + 1).filter((item) => ["user", "tool"].includes(speaker(item)));
  return added.length ? added : list.filter((item) => speaker(item) === "user").slice(-1);
}

function ofObject(object, side, depth) {
  const special = ofImage(object) ?? ofTool(object);
  if (special) return [special];
  if (object.type === "reasoning" || object.type === "thinking") return [];
  if (object.type === "blob") return [{ kind: "json", value: object }];
  const calls = (object.tool_calls ?? object.kwargs?.tool_calls ?? []).map(ofTool).filter(Boolean);
  if (speaker(object)) return [...(inside(body(object), side, depth + 1) ?? []), ...calls];
  for (const name of NAMES[side]) {
    if (object[name] === null || object[name] === undefined) continue;
    const found = inside(object[name], side, depth + 1);
    if (found?.length) return found;
  }
  const members = Object.values(object);
  return members.length === 1 ? inside(members[0], side, depth + 1) : null;
}

// OpenTelemetry's parts are {"type": "blob", "content"} and {"type": "uri", "uri"}; OpenInference's {"image": {"image"}}.
function ofImage(object) {
  const inline = object.inline_data ?? object.inlineData ?? (object.source?.type === "base64" ? object.source : null)
    ?? (object.type === "blob" ? object : null);
  const type = inline?.mime_type ?? inline?.mimeType ?? inline?.media_type;
  const url = inline ? `data:${type};base64,${inline.data ?? inline.content}`
    : object.image_url?.url ?? object.image_url ?? object.image?.image?.url
      ?? (object.type === "image" ? object.source?.url ?? object.url : null)
      ?? (object.type === "uri" && object.modality === "image" ? object.uri : null);
  return typeof url === "string" && IMAGE.test(url) ? { kind: "image", url } : null;
}

function ofTool(object) {
  const call = object.function_call ?? object.functionCall ?? object.function
    ?? (["function_call", "tool_use", "tool_call"].includes(object.type) ? object : null)
    ?? (object.name && object.args !== undefined ? object : null);
  if (call && typeof call === "object" && typeof call.name === "string") {
    return { kind: "tool", name: call.name, detail: decoded(call.arguments ?? call.args ?? call.input ?? null) };
  }
  const isResult = RESULTS.includes(object.type) || (speaker(object) === "tool" && object.content !== undefined);
  const result = object.function_response ?? object.functionResponse ?? (isResult ? object : null);
  if (!result) return null;
  const detail = decoded(result.output ?? result.response ?? result.result ?? result.content ?? null);
  return { kind: "tool", name: result.name ?? "result", detail };
}

function decoded(text) {
  if (typeof text !== "string") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function historyIn(value) {
  if (Array.isArray(value)) return value.some(speaker) ? value : null;
  if (value === null || typeof value !== "object") return null;
  return historyIn(value.messages ?? value.input ?? null);
}

// LangChain writes its messages as {"type": "ai", "content"} or, serialised, as {"id": [..., "AIMessage"], "kwargs"}.
function speaker(item) {
  if (item === null || typeof item !== "object") return null;
  if (item.type === "function_call") return "assistant";
  if (item.type === "function_call_output") return "tool";
  const name = item.role ?? item.author ?? (item.content !== undefined ? item.type : null)
    ?? (item.kwargs && Array.isArray(item.id) ? item.id.at(-1) : null);
  return typeof name === "string" ? SPEAKERS.get(name.toLowerCase()) ?? null : null;
}

const body = (message) => message.content ?? message.parts ?? message.contents ?? message.text ?? message.kwargs?.content ?? null;
