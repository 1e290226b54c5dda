// The steps that the Node worker runs: `draft`, `review` and `announce`. Run `node worker.mjs file:content` beside the
// Rust worker; see README.md.

import { CallFailure, open } from "runstate";

const rs = await open(process.argv[2] ?? "file:content");
const stop = rs.apps.worker(
  {
    draft: ({ topic, facts }) => ({ text: `# About ${topic}\n\n${facts.join("\n")}\n` }),
    // A model or a person would judge here.
    review: ({ text }) => ({ approved: text.length > 40, reason: `${text.length} characters` }),
    announce: ({ topic, path }) => {
      // The article is published already. This failure is not retried, so the article is withdrawn.
      if (topic === "secrets") throw new CallFailure("this topic is not announced", { final: true });
      return { message: `New: ${path}` };
    },
  },
  // The steps of a killed worker are claimed again after five seconds.
  { owner: "node", concurrency: 4, leaseMs: 5_000, onEvent: ({ event, work }) => work && console.log(event, work.claimed.executionId, work.claimed.stepName) },
);
process.once("SIGINT", () => stop().then(() => rs.close()));
