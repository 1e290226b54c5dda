import assert from "node:assert/strict";
import { symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { FINISH, ask, calls, ended, scene, steps } from "./agent-scene.ts";

test("hostile paths, links, excluded, huge and binary files are refused", async (t) => {
  const { window: open, folder, base } = await scene(t, { "src/a.ts": "a\n", "node_modules/x.js": "x\n", "win.txt": "one\r\ntwo\r\n" });
  await writeFile(join(base, "secret.txt"), "secret\n");
  await symlink(join(base, "secret.txt"), join(folder, "link.txt"));
  await symlink(base, join(folder, "out"));
  await writeFile(join(folder, "huge.txt"), "");
  await truncate(join(folder, "huge.txt"), 3_000_000_000);
  await writeFile(join(folder, "binary.bin"), new Uint8Array([0xff, 0xfe, 0, 1]));
  const paths: [string, RegExp][] = [
    ["../secret.txt", /not a plain path/],
    ["src/../../secret.txt", /not a plain path/],
    ["src/..", /not a plain path/],
    ["./src/a.ts", /not a plain path/],
    [".. /secret.txt", /not a plain path/],
    ["src//a.ts", /not a plain path/],
    ["/etc/passwd", /absolute/],
    ["C:\\secret.txt", /absolute/],
    ["..\\secret.txt", /not valid in a path/],
    ["src/a.ts\0.md", /not valid in a path/],
    ["src/a.ts:stream", /not valid in a path/],
    ["x".repeat(1001), /1 to 1000 characters/],
    ["link.txt", /symbolic link/],
    ["out/secret.txt", /symbolic link/],
    ["node_modules/x.js", /excluded/],
    ["SRC/a.ts", /does not exist/],
    ["%2e%2e/secret.txt", /does not exist/],
    ["src", /is a folder/],
    ["src/a.ts/b", /not a folder/],
    ["huge.txt", /too large/],
    ["binary.bin", /not UTF-8 text/],
  ];
  const reads = paths.map(([path]) => ({ tool: "readFile", path }));
  const rest = [
    { tool: "readFile", path: "win.txt", line: 2 },
    { tool: "applyEdit", path: "out/new.txt", newText: "x" },
    { tool: "listFiles", path: "out" },
    { tool: "listFiles" },
    { tool: "search", text: "secret" },
  ];
  await using window = open((editor) => editor.models.offer("Fake", steps(...reads.slice(0, 20), FINISH)));
  const first = await ended(window, await ask(window, "Fake"));
  window.editor.models.onAsk = steps(...reads.slice(20), ...rest, FINISH);
  const id = await ask(window, "Fake");
  const second = await ended(window, id);
  const printed = [...first.output.slice(0, -1), ...second.output];
  for (const [n, [path, reason]] of paths.entries()) assert.match(printed[n] ?? "", reason, path);
  const results = (await calls(window, id)).filter(({ kind }) => kind !== "cc").map(({ response }) => response?.result);
  assert.deepEqual(results.slice(1), [
    { text: "two\n", line: 2, lines: 3, more: false },
    { error: '"out" is a symbolic link, which is not followed' },
    { error: '"out" is a symbolic link, which is not followed' },
    { paths: ["binary.bin", "huge.txt", "win.txt", "src/a.ts"], more: false },
    { matches: [], more: false, skipped: 2 },
  ]);
  assert.deepEqual(window.editor.offered, []);
});

test("an edit must name a text that occurs exactly once", async (t) => {
  const { window: open, read } = await scene(t, { "a.txt": "one one\n" });
  const edits = [
    { oldText: "two", newText: "x" },
    { oldText: "one", newText: "x" },
    { oldText: "", newText: "x" },
    { path: "b.txt", oldText: "one", newText: "x" },
    { path: "b.txt", newText: "new\n" },
  ].map((edit) => ({ tool: "applyEdit", path: "a.txt", ...edit }));
  await using window = open((editor) => {
    editor.models.offer("Fake", steps(...edits, FINISH));
    editor.onOffer = () => "Apply";
  });
  const { output } = await ended(window, await ask(window, "Fake"));
  const reasons = [/does not occur/, /more than once/, /exists already/, /"b\.txt" does not exist/, /applied/];
  for (const [n, reason] of reasons.entries()) assert.match(output[n] ?? "", reason);
  assert.equal(await read("a.txt"), "one one\n");
  assert.equal(await read("b.txt"), "new\n");
  assert.deepEqual(window.editor.offered, ["An agent wants to create b.txt."]);
});
