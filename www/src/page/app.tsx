// The root component of the page.

import { useEffect, useRef } from "preact/hooks";

import { session } from "../engine/session";
import type { Explanation } from "../engine/errors";
import { ExecutionList } from "../executions/list";
import { KillReportBanner } from "../kill/banner";
import { Program } from "../program/editor";
import { ExecutionPanel } from "../run/execution-panel";
import { route } from "../state/route";
import { Header } from "./header";
import { Hero } from "./hero";
import { DropZone } from "./import";
import { EngineProgress } from "./engine-progress";
import { Notices } from "./notices";
import { Help } from "./shortcuts";
import { UpdateBanner } from "./update";

export function App() {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const at = route.value;
  const executionId = at.at === "execution" ? at.id : "";

  useEffect(() => {
    document.title = executionId === "" ? "runstate: durable execution in your browser tab" : `${executionId} – runstate`;
    // A navigation starts at the top of the new content.
    main.current?.scrollTo({ top: 0 });
    // The control that started the navigation may be removed, which would leave the focus on the body.
    if (document.activeElement === document.body && !first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [executionId]);

  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the program
      </a>
      <Header />
      <div class="banners">
        <StoreProblem />
        <UpdateBanner />
        <KillReportBanner />
      </div>
      <div class="columns" data-at={at.at}>
        <main id="main" ref={main} tabIndex={-1} class={at.at === "execution" ? "at-execution" : "at-new"}>
          {at.at === "execution" ? (
            <>
              <EngineProgress />
              <ExecutionPanel />
            </>
          ) : (
            <>
              <Hero />
              <Program />
            </>
          )}
        </main>
        <ExecutionList />
      </div>
      <DropZone />
      <Help />
      <Notices />
    </>
  );
}

function StoreProblem() {
  const now = session.value;
  const problem = now.state === "failed" ? now.explanation : now.state === "open" ? now.store.problem : null;
  return <div role="alert">{problem === null ? null : <ProblemDetails {...problem} />}</div>;
}

function ProblemDetails({ title, message, advice, code }: Explanation) {
  return (
    <section class="trouble" aria-labelledby="trouble-title" data-testid="store-trouble" data-code={code}>
      <h2 id="trouble-title">{title}</h2>
      <p>{message}</p>
      <p>
        <strong>{advice}</strong>{" "}
        <button type="button" class="link" onClick={() => location.reload()}>
          Reload
        </button>
      </p>
    </section>
  );
}
