// A chat of LangGraph with one tool: scripts over the tools in refunds.ts. A refund waits for an approval, for as long
// as that takes. Kill the process meanwhile, and start it again: the chat continues.
//
// OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL choose the model.

import { HumanMessage, mapChatMessagesToStoredMessages, mapStoredMessagesToChatMessages } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { ChatOpenAI } from "@langchain/openai";

import { chat, close, save, script, settle } from "./refunds.js";

let messages = mapStoredMessagesToChatMessages(JSON.parse(chat.messages));

const { name, description, parameters: schema } = script;
const scripts = tool((args, config) => script.execute(args, { toolCallId: config.toolCall?.id, abortSignal: config.signal }), { name, description, schema });
const model = new ChatOpenAI({ model: process.env.OPENAI_MODEL ?? "gpt-5" }).bindTools([scripts]);
const graph = new StateGraph(MessagesAnnotation)
  .addNode("model", async (state) => ({ messages: [await model.invoke(state.messages)] }))
  .addNode("tools", new ToolNode([scripts]))
  .addEdge(START, "model")
  .addConditionalEdges("model", toolsCondition)
  .addEdge("tools", "model")
  .compile();

/** Has the model reply. Each call of the tool is stored with its result, and then the text. */
async function reply(text: string): Promise<void> {
  for await (const state of await graph.stream({ messages: [...messages, new HumanMessage(text)] }, { streamMode: "values" })) {
    messages = state.messages;
    const last = messages.at(-1);
    if (last?.type === "human" || toolsCondition(state) === "tools") continue;
    await save(mapChatMessagesToStoredMessages(messages));
    if (last?.type === "ai") console.log(last.text);
  }
}

if (messages.length === 0) await reply("Refund the orders that are late by more than 30 days.");
while (chat.run !== "") await reply(`The script has ended: ${JSON.stringify(await settle())}`);
await close();
