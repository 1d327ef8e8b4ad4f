// The evaluators that Threadline brings, and the parameters that each takes. Those of installed packages are asked for by
// name, with their parameters as JSON.

const MODEL = { model: { label: "Model", kind: "text", hint: "that of the installation" } };

// A parameter is { label, kind, hint?, required?, values?, least?, most? }; kinds are text, long, number, words, choice.
export const EVALUATORS = {
  turns: { label: "Turns", says: "how many turns the thread has", parameters: {} },
  answer_latency: { label: "Answer latency", says: "how many seconds answers took on average", parameters: {} },
  unanswered_questions: { label: "Unanswered questions", says: "turns that nobody answered", parameters: {} },
  repetition: {
    label: "Repetition", says: "share of messages, 0 to 1, that say again what was said shortly before",
    parameters: { window: { label: "Earlier messages compared", kind: "number", hint: "10", least: 1, most: 100 } },
  },
  refusals_and_apologies: {
    label: "Refusals and apologies", says: "answers that decline, and answers that say sorry",
    parameters: {
      refusals: { label: "More words of refusal", kind: "words", hint: "one a line, beside the English ones" },
      apologies: { label: "More words of apology", kind: "words", hint: "one a line, beside the English ones" },
    },
  },
  goal_words: {
    label: "Goal words", says: "1 where one of the words was said, else 0",
    parameters: {
      words: { label: "Words", kind: "words", hint: "one a line", required: true },
      said_by: { label: "Said by", kind: "choice", values: ["anyone", "user", "assistant"] },
      name: { label: "Name of the score", kind: "text", hint: "goal_words" },
    },
  },
  steps: { label: "Steps", says: "how many spans the turns have, and how many of them failed", parameters: {} },
  coherence: { label: "Coherence (model)", says: "a language model's view, 0 to 1", parameters: MODEL },
  user_frustration: { label: "User frustration (model)", says: "a language model's view, 0 to 1", parameters: MODEL },
  session_completeness: {
    label: "Session completeness (model)", says: "a language model's view, 0 to 1", parameters: MODEL,
  },
  judge: {
    label: "Own question (model)", says: "a language model's answer to your question, 0 to 1",
    parameters: {
      prompt: { label: "Question", kind: "long", hint: "Did the assistant … ? 1: … 0: …", required: true },
      name: { label: "Name of the score", kind: "text", required: true },
      ...MODEL,
    },
  },
};

const isGiven = (value) => (Array.isArray(value) ? value.some((each) => String(each).trim()) : String(value ?? "").trim() !== "");

// What is drafted for one evaluator: `text` are its parameters as JSON, where the page does not know it.
export const drafted = ({ evaluator, label, parameters = {} }) =>
  ({ evaluator, label: label ?? "", parameters, text: JSON.stringify(parameters, null, 2), isOther: !EVALUATORS[evaluator] });

// As the API takes it; null where something is missing or no JSON.
export function asked(draft) {
  const parameters = draft.isOther ? parsed(draft.text) : filled(draft);
  if (!parameters || !draft.evaluator.trim()) return null;
  return { evaluator: draft.evaluator.trim(), parameters, ...(draft.label.trim() ? { label: draft.label.trim() } : {}) };
}

function filled({ evaluator, parameters }) {
  const known = EVALUATORS[evaluator].parameters;
  if (Object.entries(known).some(([name, { required }]) => required && !isGiven(parameters[name]))) return null;
  const given = Object.entries(parameters).filter(([name, value]) => known[name] && isGiven(value));
  return Object.fromEntries(given.map(([name, value]) => [name, shaped(known[name], value)]));
}

function shaped({ kind }, value) {
  if (kind === "number") return Number(value);
  if (kind === "words") return value.map((word) => word.trim()).filter(Boolean);
  return typeof value === "string" ? value.trim() : value;
}

function parsed(text) {
  try {
    const value = JSON.parse(text || "{}");
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function written(value) {
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value.map((each) => `“${each}”`).join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

// One line: what it is called, and what it was given.
export function shown({ evaluator, label, parameters = {} }) {
  const given = Object.entries(parameters).map(([name, value]) =>
    `${name.replaceAll("_", " ")} ${written(value)}`);
  const name = EVALUATORS[evaluator]?.label ?? evaluator;
  return { name: label ? `${label} (${name})` : name, given: given.join(", ") };
}
