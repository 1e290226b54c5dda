// A chat of the OpenAI Agents SDK with one tool: scripts over the tools in refunds.ts. A refund waits for an approval,
// for as long as that takes. Kill the process meanwhile, and start it again: the chat continues.
//
// OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL choose the model.

import { Agent, type AgentInputItem, run, setOpenAIAPI, tool } from "@openai/agents";

import { chat, close, save, script, settle } from "./refunds.js";

let items: AgentInputItem[] = JSON.parse(chat.messages);

// Without it, the SDK uses the Responses API, which few other providers have.
setOpenAIAPI("chat_completions");
const agent = new Agent({
  name: "Refunds",
  model: process.env.OPENAI_MODEL ?? "gpt-5",
  tools: [
    tool({
      ...script,
      strict: false,
      execute: (args, _, details) => script.execute(args, { toolCallId: details?.toolCall?.callId, abortSignal: details?.signal }),
    }),
  ],
  toolUseBehavior: "stop_on_first_tool",
});

/** Has the agent reply. Each step is stored: a text, or a call of the tool with its result. */
async function reply(content: string): Promise<void> {
  items.push({ role: "user", content });
  for (let last = "function_call_result"; last === "function_call_result"; ) {
    const { history, finalOutput } = await run(agent, items);
    items = history;
    await save(items);
    last = items.at(-1)?.type ?? "message";
    if (last === "message") console.log(finalOutput);
  }
}

if (items.length === 0) await reply("Refund the orders that are late by more than 30 days.");
while (chat.run !== "") await reply(`The script has ended: ${JSON.stringify(await settle())}`);
await close();
