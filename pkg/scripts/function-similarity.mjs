// Orders functions so that gzip compresses them well. Its window is 32 KiB, so similar functions must be near each
// other. Instances of one generic function are similar.

/** The length of a shingle, a byte sequence that similar functions share. Shorter sequences are in all functions. */
const SHINGLE_BYTES = 6;

/** Shingles in more functions than this do not indicate similarity. */
const MAX_HOLDERS = 300;

/**
 * The sizes of the windows before a function, and the weight of similarity to the functions in each. The first is the
 * window of gzip, less the size of the next function. The second is near: gzip writes short distances with fewer bits.
 */
const WINDOWS = [
  { size: 30_000, weight: 1 },
  { size: 3_000, weight: 0.5 },
];

/**
 * The weight of the number of shingles that a function shares with any other: 1 places it where most of them are
 * before it, 0 prefers functions that share many.
 */
const SHARED_EXPONENT = 0.85;

/** Returns the indices of `bodies`, the bytes of each function, in an order in which each function is similar to those
 * right before it. */
export function orderBySimilarity(bodies) {
  const { features, holders } = indexShingles(bodies);
  const scores = new Float64Array(bodies.length);
  const weights = features.map((shared) => (shared.length + 8) ** SHARED_EXPONENT);
  const order = [];
  const remaining = new Set(bodies.keys());
  const windows = WINDOWS.map((window) => ({ ...window, seen: new Map(), first: 0, bytes: 0 }));
  const count = ({ seen, weight }, index, by) => {
    for (const feature of features[index]) {
      const before = seen.get(feature) ?? 0;
      seen.set(feature, before + by);
      // Only the presence of a shingle counts, not its number.
      if (before === 0 || before + by === 0) for (const holder of holders.get(feature)) scores[holder] += by * weight;
    }
  };
  while (remaining.size > 0) {
    const next = best(remaining, scores, weights);
    remaining.delete(next);
    order.push(next);
    for (const window of windows) {
      count(window, next, 1);
      for (window.bytes += bodies[next].length; window.bytes > window.size && window.first < order.length - 1; window.first++) {
        window.bytes -= bodies[order[window.first]].length;
        count(window, order[window.first], -1);
      }
    }
  }
  return order;
}

function best(remaining, scores, weights) {
  let [best, highest] = [-1, -1];
  for (const index of remaining) {
    const score = scores[index] / weights[index];
    if (score > highest) [best, highest] = [index, score];
  }
  return best;
}

/** The shingle hashes of each function, and the functions of each hash, without hashes that only one function or too
 * many functions have. */
function indexShingles(bodies) {
  const all = bodies.map(hashShingles);
  const holders = new Map();
  for (const [index, hashes] of all.entries()) {
    for (const hash of hashes) {
      const indices = holders.get(hash);
      if (indices) indices.push(index);
      else holders.set(hash, [index]);
    }
  }
  for (const [hash, { length }] of holders) if (length < 2 || length > MAX_HOLDERS) holders.delete(hash);
  return { features: all.map((hashes) => [...hashes].filter((hash) => holders.has(hash))), holders };
}

function hashShingles(body) {
  const hashes = new Set();
  for (let at = 0; at + SHINGLE_BYTES <= body.length; at++) {
    let hash = 2166136261;
    for (let offset = 0; offset < SHINGLE_BYTES; offset++) hash = Math.imul(hash ^ body[at + offset], 16777619);
    hashes.add(hash);
  }
  return hashes;
}
