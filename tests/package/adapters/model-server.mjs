// A stand-in for a model, which cannot be had here: the chat completions of OpenAI over HTTP, streamed or whole, with
// scripted answers. It checks what a provider would refuse, and what a model must be shown to write the script.

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

/** The script that the "model" writes. */
const SCRIPT = `
  const late = await tools.crm.late({ days: 30 });
  return Promise.all(late.map(({ order }) => tools.pay.refund({ order })));`;

/** Starts the server. `requests` are the bodies that it got. */
export async function serveModel() {
  const requests = [];
  const server = createServer(async (request, response) => {
    const body = JSON.parse(await text(request));
    requests.push(body);
    const refusal = refuse(request, body);
    if (refusal !== undefined) return send(response, 400, { error: { message: refusal, type: "invalid_request_error", param: null, code: null } });
    const reply = answer(body.messages);
    if (body.stream) stream(response, body, reply);
    else send(response, 200, completion(body, reply));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { url: `http://127.0.0.1:${server.address().port}/v1`, requests, close: () => server.close().closeAllConnections() };
}

/** Why a provider would refuse a request, or the model could not write the script; undefined if neither holds. */
function refuse({ method, url, headers }, { messages, tools = [] }) {
  if (method !== "POST" || url !== "/v1/chat/completions") return `${method} ${url} is not known`;
  if (headers.authorization !== "Bearer test-key") return "the key is wrong";
  const called = messages.flatMap(({ tool_calls: calls = [] }) => calls.map(({ id }) => id));
  const answered = messages.filter(({ role }) => role === "tool").map(({ tool_call_id: id }) => id);
  if (called.join() !== answered.join()) return "each call of a tool must be followed by its result";
  const [{ type, function: { name, description, parameters, strict } = {} } = {}] = tools;
  if (type !== "function" || name !== "code" || strict === true) return "the tool `code` is missing, or strict";
  if (!description.includes("refund(args: { order: string })")) return "the description lacks the types of the tools";
  if (parameters.type !== "object" || parameters.properties.script.type !== "string") return "the schema of the arguments is not that of `code`";
}

/** What the "model" says: it calls its tool, then reports what the tool or the user said last. */
function answer(messages) {
  const { role, content } = messages.at(-1);
  const said = typeof content === "string" ? content : content.map((part) => part.text).join("");
  if (role === "tool") return { content: /"status":\s*"waiting"/.test(said) ? "The refund waits for an approval." : `The tool said ${said}` };
  if (messages.some((message) => message.role === "tool")) return { content: `Refunded, with the receipts ${said.match(/r-o-\d+/g)}.` };
  return { tool_calls: [{ id: `call_${randomUUID()}`, type: "function", function: { name: "code", arguments: JSON.stringify({ script: SCRIPT }) } }] };
}

const USAGE = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

const head = ({ model }, object) => ({ id: `chatcmpl-${randomUUID()}`, object, created: 1, model });

const finishReason = ({ tool_calls: calls }) => (calls === undefined ? "stop" : "tool_calls");

function completion(body, reply) {
  const message = { role: "assistant", content: null, refusal: null, ...reply };
  return { ...head(body, "chat.completion"), choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(reply) }], usage: USAGE };
}

function send(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Sends a reply as events, with its text or its arguments in two parts. */
function stream(response, body, reply) {
  const [call] = reply.tool_calls ?? [];
  const whole = call === undefined ? reply.content : call.function.arguments;
  const deltas = [whole.slice(0, 9), whole.slice(9)].map((part, n) => {
    if (call === undefined) return { content: part };
    const first = n === 0 ? { id: call.id, type: "function" } : {};
    return { tool_calls: [{ index: 0, ...first, function: { ...(n === 0 && { name: call.function.name }), arguments: part } }] };
  });
  const choices = [...deltas.map((delta) => ({ delta, finish_reason: null })), { delta: {}, finish_reason: finishReason(reply) }];
  response.writeHead(200, { "content-type": "text/event-stream" });
  const common = head(body, "chat.completion.chunk");
  choices[0].delta.role = "assistant";
  const events = choices.map((choice) => ({ ...common, choices: [{ index: 0, ...choice }] }));
  for (const event of [...events, { ...common, choices: [], usage: USAGE }]) response.write(`data: ${JSON.stringify(event)}\n\n`);
  response.end("data: [DONE]\n\n");
}
