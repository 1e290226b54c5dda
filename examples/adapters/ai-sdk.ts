// A chat of the AI SDK with one tool: scripts over the tools in refunds.ts. A refund waits for an approval, for as long
// as that takes. Kill the process meanwhile, and start it again: the chat continues.
//
// OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL choose the model.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { type ModelMessage, streamText } from "ai";

import { chat, close, save, script, settle } from "./refunds.js";

const messages: ModelMessage[] = JSON.parse(chat.messages);

const { OPENAI_BASE_URL: baseURL = "https://api.openai.com/v1", OPENAI_API_KEY: apiKey, OPENAI_MODEL = "gpt-5" } = process.env;
const model = createOpenAICompatible({ name: "openai", baseURL, apiKey })(OPENAI_MODEL);

/** Has the model reply. Each step is stored: a text, or a call of the tool with its result. */
async function reply(content: string): Promise<void> {
  messages.push({ role: "user", content });
  for (let reason = "tool-calls"; reason === "tool-calls"; ) {
    const step = streamText({ model, messages, tools: { code: script } });
    for await (const text of step.textStream) process.stdout.write(text);
    messages.push(...(await step.responseMessages));
    await save(messages);
    reason = await step.finishReason;
  }
}

if (messages.length === 0) await reply("Refund the orders that are late by more than 30 days.");
while (chat.run !== "") await reply(`The script has ended: ${JSON.stringify(await settle())}`);
await close();
