// The npm client: threadId at the creation of a trace and in an update after the flush; spans, scores, a search.
import { Opik } from "opik";

const client = new Opik();

function turn(user, assistant, fields) {
  const trace = client.trace({ name: "chat turn", input: { user }, output: { assistant }, tags: ["web"], ...fields });
  const retrieval = trace.span({ name: "retrieve", type: "tool", input: { user } });
  const [prompt, completion] = [user, assistant].map((text) => text.split(" ").length);
  const usage = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
  const model = { model: "gpt-4o-mini", provider: "openai", usage };
  retrieval.span({ name: "complete", type: "llm", input: { user }, output: { assistant }, ...model }).end();
  retrieval.update({ output: { documents: 2 } }).end();
  trace.score({ name: "helpful", value: 1, reason: "as the user said" });
  return trace;
}

turn("Hi there", "Hello!", { threadId: "by-option" }).end();
const failed = { exceptionType: "TimeoutError", message: "no answer", traceback: "at turn" };
turn("Are you there", "", { threadId: "by-option", errorInfo: failed }).end();
const late = turn("Which thread", "This one", {});
await client.flush();
late.update({ threadId: "by-update" }).end();
await client.flush();

const found = await client.searchThreads({ projectName: process.env.OPIK_PROJECT_NAME, waitForAtLeast: 2 });
console.log(JSON.stringify(found.map((thread) => thread.id).sort()));
