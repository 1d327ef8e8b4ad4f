// The words of a message, whatever shape the SDK sent: a string, {"user"} and {"assistant"}, a history of messages,
// choices, candidates, contents, parts. What has no words in it is shown as JSON.

const ROLES = { user: ["user", "human"], assistant: ["assistant", "ai", "model", "agent"] };
const NAMES = {
  user: ["user", "question", "query", "prompt", "user_input", "message", "input", "text", "messages", "contents",
    "content", "parts"],
  assistant: ["assistant", "answer", "response", "output_text", "output", "choices", "candidates", "message", "messages",
    "content", "parts", "text", "result"],
};
const DEPTH_MAX = 8;

export function words(value, side) {
  const found = inside(value, side, 0);
  return found === null ? null : found.trim() || null;
}

export const json = (value) => JSON.stringify(value, null, 2);

export function oneLine(value, side) {
  if (value === null || value === undefined) return "";
  return (words(value, side) ?? JSON.stringify(value)).replace(/\s+/g, " ").slice(0, 400);
}

function inside(value, side, depth) {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object" || depth > DEPTH_MAX) return null;
  return Array.isArray(value) ? ofList(value, side, depth) : ofObject(value, side, depth);
}

function ofList(list, side, depth) {
  if (list.some((item) => speaker(item))) {
    const own = list.filter((item) => ROLES[side].includes(speaker(item)));
    for (const item of own.reverse()) {
      const found = inside(item.content ?? item.parts ?? item.text, side, depth + 1);
      if (found) return found;
    }
    return null;
  }
  const parts = list.map((item) => inside(item, side, depth + 1)).filter(Boolean);
  return parts.length ? parts.join("\n") : null;
}

function ofObject(object, side, depth) {
  for (const name of NAMES[side]) {
    if (object[name] !== null && object[name] !== undefined) {
      const found = inside(object[name], side, depth + 1);
      if (found !== null) return found;
    }
  }
  const members = Object.values(object);
  return members.length === 1 ? inside(members[0], side, depth + 1) : null;
}

// LangChain says who speaks as `type`; a part of a message has a type too, but says what it is.
const SPOKEN = ["human", "ai", "system", "tool", "function"];

function speaker(item) {
  if (!item || typeof item !== "object") return undefined;
  return item.role ?? (item.content && SPOKEN.includes(item.type) ? item.type : undefined);
}
