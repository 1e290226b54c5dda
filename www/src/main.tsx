// The start of the page. The WebAssembly is fetched while the page renders for the first time.

import "./styles/page.css";

import { render } from "preact";

import { followApps } from "./apps";
import { followBudgets } from "./budgets";
import { followTime, keepFocus } from "./controls";
import { followCurrentExecution } from "./current";
import { followChanges, loadCompiler, openSession } from "./engine";
import { followExecutions } from "./executions";
import { followInbox } from "./inbox";
import { verifyInterruptedBurst } from "./kill/burst";
import { App, cachePage } from "./page";

const opening = openSession();
const root = document.getElementById("app");
if (root !== null) {
  root.replaceChildren();
  render(<App />, root);
}
followTime();
keepFocus();
void opening.then((rs) => {
  // Everything else is downloaded and cached after the engine. A failure of the compiler is reported by the first
  // program.
  void loadCompiler().catch(() => undefined).then(cachePage);
  if (rs === null) return;
  // For the console: `await rs.list()`.
  Object.assign(window, { rs });
  performance.mark("runstate.open");
  followCurrentExecution(rs);
  followExecutions(rs);
  void followInbox(rs);
  followApps(rs);
  followBudgets(rs);
  void followChanges(rs);
  void verifyInterruptedBurst(rs);
});
