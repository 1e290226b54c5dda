// The target of the link to the source code.

import assert from "node:assert/strict";
import { test } from "node:test";

import { repositoryIn } from "../build/source";

const repositoryOf = (repository: unknown) => repositoryIn(JSON.stringify({ name: "x", repository }));

test("the repository of the package is an address that a browser opens", () => {
  const address = "https://example.org/owner/name";
  assert.equal(repositoryOf({ type: "git", url: `git+${address}.git` }), address);
  assert.equal(repositoryOf(address), address);
});

test("a package without a repository leads to none", () => {
  for (const repository of [undefined, {}, "owner/name", { url: "git@example.org:owner/name.git" }]) {
    assert.equal(repositoryOf(repository), null);
  }
});
