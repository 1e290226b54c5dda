// The root component of the page.

import { useEffect, useRef } from "preact/hooks";

import { problem } from "../engine/session";
import { ExecutionList } from "../executions/list";
import { KillReportBanner } from "../kill/banner";
import { KillDialog } from "../kill/dialog";
import { Program } from "../program/editor";
import { ExecutionPanel } from "../run/execution-panel";
import { announcement, dismiss, notices } from "../state/notices";
import { route } from "../state/route";
import { Button } from "../ui/controls";
import { useFocusGuard } from "../ui/hooks";
import { Header } from "./header";
import { EngineProgress, Hero } from "./hero";
import { UpdateBanner } from "./offline";
import { Help } from "./shortcuts";
import { DropZone } from "./transfer";

export function App() {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const { at, id } = route.value;

  useEffect(() => {
    document.title = id === "" ? "runstate: durable execution in your browser tab" : `${id} – runstate`;
    // A navigation starts at the top of the new content.
    main.current?.scrollTo({ top: 0 });
    // The control that started the navigation may be removed, which would leave the focus on the body.
    if (document.activeElement === document.body && !first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [id]);

  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the program
      </a>
      <Header />
      <div role="alert">
        <StoreProblem />
      </div>
      <UpdateBanner />
      <KillReportBanner />
      <div class="columns" data-at={at}>
        <main id="main" ref={main} tabIndex={-1} class={at === "execution" ? "at-execution" : "at-new"}>
          {at === "execution" ? (
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
      <KillDialog />
      <Help />
      <Notices />
    </>
  );
}

function StoreProblem() {
  if (problem.value === null) return null;
  const { title, message, advice, code } = problem.value;
  return (
    <section class="banner bad" aria-labelledby="problem-title" data-testid="store-trouble" data-code={code}>
      <h2 id="problem-title">{title}</h2>
      <p>{message}</p>
      <p>
        <strong>{advice}</strong>{" "}
        <Button class="link" onClick={() => location.reload()}>
          Reload
        </Button>
      </p>
    </section>
  );
}

/** Toasts, and a live region for screen readers. */
function Notices() {
  const toasts = useRef<HTMLDivElement>(null);
  useFocusGuard(toasts, notices.value, "button");
  return (
    <>
      <div class="toasts stack" data-testid="notices" ref={toasts}>
        {notices.value.map(({ id, kind, title, text }) => (
          <div
            key={id}
            class={`toast ${kind === "bad" ? "bad" : "saved"}`}
            role={kind === "bad" ? "alert" : "status"}
            data-testid="notice"
            data-kind={kind}
          >
            <div>
              <strong data-testid="notice-title">{title}</strong>
              {text !== "" && <p data-testid="notice-text">{text}</p>}
            </div>
            <Button class="icon" aria-label="Close" onClick={() => dismiss(id)}>
              ✕
            </Button>
          </div>
        ))}
      </div>
      <p class="hidden" aria-live="polite" data-testid="spoken">
        {announcement.value}
      </p>
    </>
  );
}
