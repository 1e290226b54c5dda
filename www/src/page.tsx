// The page: header, banners, the start for first visitors, and its copy for offline use.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { AppsLink, AppsPanel } from "./apps";
import { BudgetsLink, BudgetsPanel } from "./budgets";
import { Button } from "./controls";
import { ExecutionPanel } from "./execution";
import { downloadProgress, isDurable, isOpening, problem, store } from "./engine";
import { ExecutionList } from "./executions";
import { burst, isRunning, type Burst } from "./kill/burst";
import { KillDialog, KillReportBanner, openKillDialog, playBurst } from "./kill/view";
import { copy, dismiss, notices } from "./notices";
import { Program } from "./program";
import { hrefOf, LIST, route, texts } from "./state";

/** The address of the source code, from `vite.config.ts`. */
declare const __SOURCE__: string;

export function App() {
  const main = useRef<HTMLElement>(null);
  const { at, id } = route.value;

  useEffect(() => {
    document.title = id === "" ? "runstate: durable execution in your browser tab" : `${id} – runstate`;
    // A navigation starts at the top of the new content.
    main.current?.scrollTo({ top: 0 });
  }, [id]);

  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>Skip to the program</a>
      <Header />
      <div role="alert"><StoreProblem /></div>
      <UpdateBanner />
      <KillReportBanner />
      <div class="columns" data-at={at}>
        <main id="main" ref={main} tabIndex={-1} class={at === "execution" ? "at-execution" : "at-new"}>
          {["execution", "apps", "budgets"].includes(at) ? (
            <>
              <EngineProgress />
              {at === "apps" ? <AppsPanel /> : at === "budgets" ? <BudgetsPanel /> : <ExecutionPanel />}
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
      <KillDialog />
      <Notices />
    </>
  );
}

function Notices() {
  return (
    <div class="toasts stack" data-testid="notices">
      {notices.value.map(({ id, isError, title, text }) => (
        <div key={id} class={`toast ${isError ? "bad" : "saved"}`} role={isError ? "alert" : "status"} data-testid="notice">
          <div>
            <strong data-testid="notice-title">{title}</strong>
            {text !== "" && <p data-testid="notice-text">{text}</p>}
          </div>
          <Button class="icon" aria-label="Close" onClick={() => dismiss(id)}>✕</Button>
        </div>
      ))}
    </div>
  );
}

const isOnline = signal(navigator.onLine);
for (const event of ["online", "offline"]) addEventListener(event, () => (isOnline.value = navigator.onLine));

/** The theme: light, dark, or "" for that of the system. `index.html` applies it before the first paint. */
const theme = signal(document.documentElement.dataset["theme"] ?? "");

function changeTheme(): void {
  theme.value = { "": "light", light: "dark" }[theme.value] ?? "";
  document.documentElement.dataset["theme"] = theme.value;
  texts.write("theme", theme.value);
}

function Header() {
  const themeLabel = `Theme: ${theme.value || "system"}. Change it`;
  return (
    <header class="top bar">
      <a class="brand" href="#/new" aria-label="runstate: to the start" title="runstate">
        <img src="./icon.svg" width="26" height="26" alt="" />
        <h1>runstate</h1>
      </a>
      <nav class="bar" aria-label="Page">
        {!isOnline.value && <span class="pill">Offline: everything works</span>}
        {store.value !== null && !isDurable.value && <span class="pill bad">Nothing is saved</span>}
        <a class="to-list" href={LIST} aria-current={route.value.at === "list" ? "page" : undefined} data-testid="to-list">Executions</a>
        <AppsLink />
        <BudgetsLink />
        <a class="to-source" href={__SOURCE__}>Source</a>
        <Button class="icon" onClick={changeTheme} aria-label={themeLabel} title={themeLabel} testid="theme">◐</Button>
        <Button class="kill danger" onClick={openKillDialog} testid="kill">Kill it</Button>
      </nav>
    </header>
  );
}

function StoreProblem() {
  if (problem.value === null) return null;
  return (
    <section class="banner bad" aria-labelledby="problem-title" data-testid="store-trouble">
      <h2 id="problem-title">{problem.value.title}</h2>
      <p>
        {problem.value.text}{" "}
        <Button class="link" onClick={() => location.reload()}>Reload</Button>
      </p>
    </section>
  );
}

function EngineProgress() {
  if (!isOpening.value) return null;
  const percent = Math.floor(downloadProgress.value * 100);
  return (
    <label class="engine-progress" data-testid="engine-progress" data-percent={percent}>
      {percent < 100 ? `Loading the engine: ${percent} %` : "Starting …"}
      <progress max={100} value={percent} />
    </label>
  );
}

const INSTALL = "npm i runstate";

/** The start for first visitors: one sentence, the install command, and one button that plays the story. */
function Hero() {
  const { at } = burst.value;
  const label = isRunning(burst.value) ? "Playing …" : at === "proved" ? "Play it again" : "Run, answer, kill, still there";
  return (
    <section class="hero stack" aria-labelledby="hero-title" data-testid="hero">
      <h2 id="hero-title">
        Durable execution in your browser tab: close it <span>mid-question,</span> come back next week, it resumes.
      </h2>
      <p>
        Your program stops to ask a person or a model, and waits for minutes or months. Every variable is saved before the question is shown, so a
        crash loses nothing and repeats nothing.
      </p>
      <div class="bar">
        {isOpening.value ? (
          <EngineProgress />
        ) : (
          <Button
            class="primary play"
            busy={isRunning(burst.value)}
            onClick={() => (isDurable.value ? playBurst("engine") : openKillDialog())}
            testid="play"
          >
            <span aria-hidden="true">▶</span> {label}
          </Button>
        )}
        <Button class="install" onClick={() => copy(INSTALL, "command")} testid="install"><code>{INSTALL}</code> Copy</Button>
        <a class="action" href={__SOURCE__} data-testid="source-link">Source code</a>
      </div>
      <Story />
      <p class="hint">
        Or do it yourself:{" "}
        <Button class="link" onClick={openKillDialog} testid="kill-how">how to kill this tab</Button>
      </p>
    </section>
  );
}

const STEPS: [at: Burst["at"], title: string, text: string][] = [
  ["starting", "Run", "A program starts and asks 200 questions."],
  ["answering", "Answer", "Each answer is saved before the next question."],
  ["killed", "Kill", "Its engine is terminated in the middle of a save."],
  ["proved", "Still there", "Reopened, it has every answer once and continues."],
];

/** The four steps of the story, with the current one. */
function Story() {
  const { at, saved, execution } = burst.value;
  const position = STEPS.findIndex(([step]) => step === at);
  return (
    <ol class="story" aria-label="The story of the button" data-testid="story" data-at={at}>
      {STEPS.map(([step, title, text], index) => (
        <li key={step} class={index > position ? undefined : step === "killed" ? "bad" : step === at && step !== "proved" ? "waits" : "saved"}>
          <strong>{title}</strong>
          <span class="hint">{step === "answering" && saved > 0 ? `${saved} answers saved.` : text}</span>
          {step === "proved" && at === step && (
            <a class="action" href={hrefOf(execution)} data-testid="story-next">Answer the next question</a>
          )}
        </li>
      ))}
    </ol>
  );
}

/** The service worker of a newer page that waits to be activated; null if there is none. */
const waitingWorker = signal<ServiceWorker | null>(null);

/** Caches the page for later visits, with its service worker. Files change during development, so then nothing is
 * cached. */
export async function cachePage(): Promise<void> {
  if (!import.meta.env.PROD) return;
  try {
    const workers = navigator.serviceWorker;
    const registration = await workers.register("./sw.js");
    // The first worker replaces no other one, so it is not an update.
    const update = () => workers.controller !== null && (waitingWorker.value = registration.waiting);
    update();
    registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", update));
  } catch (error) {
    // Private windows and pages that are opened from a file have no service workers. Everything else works.
    console.info("runstate: the page is not cached for offline use:", error);
  }
}

function UpdateBanner() {
  const worker = waitingWorker.value;
  if (worker === null) return null;
  function activateUpdate(): void {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    worker?.postMessage("take over");
  }
  return (
    <p class="banner waits" role="status" data-testid="update">
      A newer version of this page is available.{" "}
      <Button class="link" onClick={activateUpdate}>Reload to use it</Button>
    </p>
  );
}
