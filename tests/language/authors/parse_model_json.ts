// answers: ["Sure! Here is the JSON:\n```json\n{\"title\": \"Ship it\", \"tags\": [\"release\", \"v2\"], \"score\": \"8\"}\n```\nHope it helps.", "{\"title\": 5}", "{\"title\": \"Second\", \"tags\": [], \"score\": 3}"]
interface Review {
  title: string;
  tags: string[];
  score: number;
}

/** Strips code fences and prose around the first JSON object of a model answer. */
function extractJson(text: string): unknown {
  const fenced = /```(?:json)?\s*([\s\S]*?)```/.exec(text);
  const candidate = fenced ? fenced[1] : text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1);
  return JSON.parse(candidate);
}

function toReview(value: unknown): Review {
  if (typeof value !== "object" || value === null) throw new TypeError("expected an object");
  const { title, tags = [], score } = value as Record<string, unknown>;
  if (typeof title !== "string") throw new TypeError(`title: expected string, got ${typeof title}`);
  if (!Array.isArray(tags) || !tags.every((t): t is string => typeof t === "string")) throw new TypeError("tags: expected string[]");
  const n = Number(score);
  if (!Number.isFinite(n)) throw new TypeError("score: expected a number");
  return { title, tags, score: Math.min(10, Math.max(0, n)) };
}

async function askForReview(subject: string, attempts = 3): Promise<Review> {
  let feedback = "";
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const answer = await CC(`Review ${subject} as JSON.${feedback}`);
    try {
      return toReview(extractJson(answer));
    } catch (err) {
      const message = err instanceof Error ? err.message : String(err);
      console.log(`attempt ${attempt} failed: ${err instanceof SyntaxError ? "invalid JSON" : message}`);
      feedback = ` Your last answer was invalid: ${message}`;
    }
  }
  throw new Error(`no valid review of ${subject}`);
}

async function main() {
  const reviews: Review[] = [];
  for (const subject of ["the release", "the fix"]) reviews.push(await askForReview(subject));
  console.log(reviews);
  console.log(JSON.stringify(reviews, null, 2));
  return reviews.map((r) => r.score);
}
