// The start of the page. The WebAssembly is fetched while the page renders for the first time.

import "./styles/page.css";

import { effect } from "@preact/signals";
import { render } from "preact";

import { followChanges } from "./engine/changes";
import { checkHealth, openSession } from "./engine/session";
import { engineCached } from "./engine/wasm";
import { followExecutions } from "./executions/summaries";
import { verifyInterruptedBurst } from "./kill/ledger";
import { App } from "./page/app";
import { completeOffline } from "./page/offline";
import { listenToKeys } from "./page/shortcuts";
import { followStorage } from "./page/storage";
import { followCurrentExecution } from "./run/current-execution";
import { notices, notifyError } from "./state/notices";
import { followTime } from "./ui/format";

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
followTime();
void opening.then((rs) => {
  if (rs === null) return;
  window.rs = rs;
  performance.mark("runstate.open");
  followCurrentExecution(rs);
  followStorage(rs);
  void followChanges(rs);
  void followExecutions(rs);
  void verifyInterruptedBurst(rs).catch(notifyError);
  // The cause of a failed command may affect all commands, so the store is checked after each error.
  effect(() => void (notices.value.some(({ kind }) => kind === "bad") && checkHealth()));
});
