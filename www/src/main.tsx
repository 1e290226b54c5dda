// The start of the page. The WebAssembly is fetched while the page renders for the first time.

import "./styles/page.css";

import { effect } from "@preact/signals";
import { render } from "preact";

import { followChanges } from "./engine/changes";
import { openSession, checkHealth } from "./engine/session";
import { engineCached } from "./engine/wasm";
import { followExecutions } from "./executions/summaries";
import { verifyInterruptedBurst } from "./kill/report";
import { App } from "./page/app";
import { followDriver } from "./page/driver";
import { listenToKeys } from "./page/shortcuts";
import { completeOffline } from "./page/offline";
import { followStorageUsage } from "./page/storage";
import { followCurrentExecution } from "./run/current-execution";
import { notices, notifyError } from "./state/notices";

declare global {
  interface Window {
    /** The open store, for the console: `await rs.cvm.list()`. */
    rs?: import("runstate").Runstate;
  }
}

const opening = openSession();
// The other files are cached after the engine.
void engineCached().then(completeOffline, () => undefined);
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
  followCurrentExecution(rs);
  followDriver(rs);
  void followChanges(rs);
  void followExecutions(rs);
  void verifyInterruptedBurst(rs).catch(notifyError);
  followStorageUsage();
  // The cause of a failed command may affect all commands, so the store is checked after each error.
  effect(() => void (notices.value.some(({ kind }) => kind === "bad") && checkHealth()));
});
