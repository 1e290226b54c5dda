// What the chats beside this file share: a store, tools for scripts, and a person at the terminal that approves.

import { appendFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";

import { type CodeResult, open, tool } from "runstate";

const rs = await open("file:./data");

const code = rs.code({
  tools: {
    crm: { late: async ({ days }: { days: number }) => [{ order: "o-1", days: days + 4 }] },
    pay: {
      refund: tool({
        description: "Refunds an order.",
        input: { type: "object", required: ["order"], properties: { order: { type: "string" } } },
        approve: true,
        run: async ({ order }) => {
          await appendFile("refunds.txt", `${order}\n`);
          return { receipt: `r-${order}` };
        },
      }),
    },
  },
});

// The chat is in the store of its runs: its messages as JSON, and the run that it waits for.
await rs.documents.declare("chats");
const chats = rs.collection<{ messages: string; run: string }>("chats");
export const chat = (await chats.get("chat-1")) ?? { messages: "[]", run: "" };
export const save = (messages: unknown) => chats.put("chat-1", { messages: JSON.stringify(messages), run: chat.run });

/** The tool of the chat. A call that an SDK repeats continues its run. */
const { execute, ...description } = await code.tool({ id: ({ toolCallId }) => toolCallId });
export const script = {
  ...description,
  async execute(...call: Parameters<typeof execute>): Promise<CodeResult> {
    const state = await execute(...call);
    chat.run = state.status === "waiting" ? state.run : "";
    return state;
  },
};

/** Has a person decide on what the run of the chat waits for, until it has ended. Another process may be an inbox of
 * all runs, with `code.pending()`. */
export async function settle(): Promise<CodeResult> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  for (;;) {
    const state = await code.result(chat.run);
    if (state.status !== "waiting") {
      terminal.close();
      chat.run = "";
      return state;
    }
    for (const call of state.pending.filter(({ kind }) => kind === "approval")) {
      const word = await terminal.question(`\n${call.name} ${JSON.stringify(call.args)}: approve? (yes/no) `);
      await (word === "yes" ? code.approve(call, { by: "ann" }) : code.reject(call, { by: "ann" }));
    }
  }
}

/** Ends the chat. */
export async function close(): Promise<void> {
  await chats.delete("chat-1");
  await code.close();
  await rs.close();
}
