// Where the link to the source code leads.

import assert from "node:assert/strict";
import { test } from "node:test";

import { repositoryIn } from "../build/source";

const of = (repository: unknown) => repositoryIn(JSON.stringify({ name: "x", repository }));

test("the repository of the package is an address that a browser opens", () => {
  const address = "https://example.org/owner/name";
  assert.equal(of({ type: "git", url: `git+${address}.git` }), address);
  assert.equal(of(address), address);
});

test("a package without a repository leads to none", () => {
  for (const repository of [undefined, {}, "owner/name", { url: "git@example.org:owner/name.git" }]) {
    assert.equal(of(repository), null);
  }
});
