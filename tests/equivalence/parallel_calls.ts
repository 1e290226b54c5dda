// Several calls at once, tools and timers.
for (let i = 0; i < 3; i++) {
  try {
    const answers = CC.all([
      { prompt: `a${i}`, timeoutMs: 90000, default: null },
      { prompt: `b${i}`, key: "k" },
      { tool: "search", args: { i, ratio: i / 3 } },
    ]);
    console.log(i, JSON.stringify(answers));
    console.log("found", JSON.stringify(call("write", { n: i })));
  } catch (e) {
    console.log(i, "caught", e.name, e.message);
  }
  sleep(5000 * (i + 1));
}
