// What the chats beside this file share: a store, tools for scripts, and a person at the terminal that approves.

import { appendFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";

import { type CodeResult, open, tool } from "runstate";

export const rs = await open("file:./data");

export const code = rs.code({
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

// A chat is in the store of its runs: its messages as JSON, and the run that it waits for.
await rs.documents.declare("chats");
export const chats = rs.collection<{ messages: string; run: string }>("chats");

/** Has a person decide on the calls of a run until it has ended. An inbox of all runs would use `code.pending()`. */
export async function settle(run: string): Promise<CodeResult> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  for (;;) {
    const state = await code.result(run);
    if (state.status !== "waiting") {
      terminal.close();
      return state;
    }
    for (const call of state.pending.filter(({ kind }) => kind === "approval")) {
      const word = await terminal.question(`\n${call.name} ${JSON.stringify(call.args)}: approve? (yes/no) `);
      await (word === "yes" ? code.approve(call, { by: "ann" }) : code.reject(call, { by: "ann" }));
    }
  }
}
