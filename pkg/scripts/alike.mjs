// Which order makes functions small when packed: gzip sees no further back than 32 KiB, so what is alike should stand together. Functions that were
// made from one generic source are, and many others too.

/** Bytes of which two functions have the same ones in a row count as something in common; fewer are in all of them. */
const STRETCH = 6;

/** What more functions than this have in common says nothing of any two. */
const COMMON = 300;

/** How far back gzip sees, less what the next function needs itself. */
const SEEN = 30_000;

/** With 1 short functions would be chosen for being short, with 0 long ones for being long. */
const LENGTH = 0.7;

/** `bodies`: the bytes of each function. Returns their numbers in an order in which each has much in common with those right before it. */
export function alike(bodies) {
  const { features, holders } = inCommon(bodies);
  const scores = new Float64Array(bodies.length);
  const weights = bodies.map((body) => (body.length + 8) ** LENGTH);
  const seen = new Map();
  const order = [];
  const left = new Set(bodies.keys());
  let [first, bytes] = [0, 0];
  const count = (place, by) => {
    for (const feature of features[place]) {
      const before = seen.get(feature) ?? 0;
      seen.set(feature, before + by);
      // Only whether it is there counts, not how often.
      if (before === 0 || before + by === 0) for (const holder of holders.get(feature)) scores[holder] += by;
    }
  };
  while (left.size > 0) {
    const next = best(left, scores, weights);
    left.delete(next);
    order.push(next);
    count(next, 1);
    for (bytes += bodies[next].length; bytes > SEEN && first < order.length - 1; first++) {
      bytes -= bodies[order[first]].length;
      count(order[first], -1);
    }
  }
  return order;
}

function best(left, scores, weights) {
  let [best, most] = [-1, -1];
  for (const place of left) {
    const score = scores[place] / weights[place];
    if (score > most) [best, most] = [place, score];
  }
  return best;
}

/** The hashes of stretches that each function has, and which functions have each, without those that only one has or too many have. */
function inCommon(bodies) {
  const all = bodies.map(stretches);
  const holders = new Map();
  for (const [place, own] of all.entries()) {
    for (const hash of own) {
      const others = holders.get(hash);
      if (others) others.push(place);
      else holders.set(hash, [place]);
    }
  }
  for (const [hash, { length }] of holders) if (length < 2 || length > COMMON) holders.delete(hash);
  return { features: all.map((own) => [...own].filter((hash) => holders.has(hash))), holders };
}

function stretches(body) {
  const hashes = new Set();
  for (let at = 0; at + STRETCH <= body.length; at++) {
    let hash = 2166136261;
    for (let offset = 0; offset < STRETCH; offset++) hash = Math.imul(hash ^ body[at + offset], 16777619);
    hashes.add(hash);
  }
  return hashes;
}
