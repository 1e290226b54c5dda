// The start of the page: the WebAssembly is fetched while the first picture is drawn.

import "./styles/page.css";

import { effect } from "@preact/signals";
import { render } from "preact";

import { listen } from "./engine/changes";
import { begin, recheck } from "./engine/session";
import { engineKept } from "./engine/wasm";
import { follow } from "./executions/known";
import { look } from "./kill/afterlife";
import { App } from "./page/app";
import { followDriver } from "./page/driver";
import { listenToKeys } from "./page/shortcuts";
import { completeOffline } from "./page/offline";
import { measure } from "./page/storage";
import { watch } from "./run/watched";
import { notices, tellError } from "./state/notices";

declare global {
  interface Window {
    /** The engine of this page, to play with in the console: `await rs.cvm.list()`. */
    rs?: import("runstate").Runstate;
  }
}

const opening = begin();
// The other files follow the engine.
void engineKept().then(completeOffline, () => undefined);
const root = document.getElementById("app");
if (root !== null) {
  root.replaceChildren();
  render(<App />, root);
}
listenToKeys();
void opening.then((store) => {
  if (store === null) return;
  const { rs } = store;
  window.rs = rs;
  performance.mark("runstate.open");
  watch(rs);
  followDriver(rs);
  void listen(rs);
  void follow(rs);
  void look(rs).catch(tellError);
  measure();
  // What is wrong with one command may be wrong with all of them.
  effect(() => void (notices.value.some(({ kind }) => kind === "bad") && recheck()));
});
