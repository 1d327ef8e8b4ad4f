// Log as many turns as each line of the input asks for, and say which they were once the client is done with them.
import { createInterface } from "node:readline";
import { Opik } from "opik";

const client = new Opik();
if (process.argv[2]) {
  client.api.requestOptions.maxRetries = Number(process.argv[2]); // `requestOptions` of the constructor is ignored
}

for await (const line of createInterface({ input: process.stdin })) {
  const { project, turns } = JSON.parse(line);
  const ids = [];
  for (let number = 0; number < turns; number += 1) {
    const named = { projectName: project, threadId: `conversation-${number % 3}` };
    const trace = client.trace({ name: "turn", input: { user: `question ${number}` }, ...named });
    trace.span({ name: "complete", type: "llm", input: { prompt: "question" }, output: { text: "answer" } }).end();
    trace.update({ output: { assistant: `answer ${number}` } }).end();
    ids.push(trace.data.id);
  }
  await client.flush(); // which does not say whether anything was lost
  console.log(JSON.stringify({ ids, is_flushed: null }));
}
