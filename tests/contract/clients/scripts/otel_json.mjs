// OpenTelemetry's exporter of JSON, by hand-made spans in today's GenAI conventions: an agent that calls a model and a tool.
import { SpanStatusCode, context, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const exporter = new OTLPTraceExporter({
  url: `${process.env.OPIK_URL_OVERRIDE.replace(/api\/$/, "")}v1/traces`,
  headers: { projectName: process.env.OPIK_PROJECT_NAME },
});
const provider = new TracerProvider({ spanProcessors: [new BatchSpanProcessor({ exporter })] });
const tracer = provider.getTracer("agent");

function within(parent, name, attributes) {
  const under = parent ? trace.setSpan(context.active(), parent) : context.active();
  return tracer.startSpan(name, { attributes, root: !parent }, under);
}

// The clock of these spans counts milliseconds; what begins in the same one has no order.
const nextMillisecond = () => new Promise((passed) => setTimeout(passed, 2));

async function turn(user, assistant) {
  const words = (text) => text.split(" ").length;
  const said = (role, content) => JSON.stringify([{ role, parts: [{ type: "text", content }] }]);
  const conversation = { "gen_ai.conversation.id": "otel-json" };
  const agent = within(null, "invoke_agent helper", { "gen_ai.operation.name": "invoke_agent", ...conversation });
  agent.setAttribute("gen_ai.input.messages", said("user", user));
  const model = within(agent, "chat", {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": words(user),
    "gen_ai.usage.output_tokens": words(assistant),
  });
  model.end();
  await nextMillisecond();
  const tool = within(agent, "execute_tool look_up", { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up" });
  if (assistant) {
    agent.setAttribute("gen_ai.output.messages", said("assistant", assistant));
  } else {
    const failure = new Error("no answer");
    failure.name = "TimeoutError";
    agent.recordException(failure);
    agent.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
  }
  tool.end();
  agent.end();
}

await turn("What is a span", "One step");
await turn("Are you there", "");
await provider.shutdown();
