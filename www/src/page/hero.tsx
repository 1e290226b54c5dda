// The start of the page for first visitors: one sentence, the install command, and one button that plays the story.

import { isCompilerLoading } from "../engine/compiler";
import { session } from "../engine/session";
import { killReport } from "../kill/report";
import { burst, isRunning, randomPlan, type Burst } from "../kill/burst";
import { killDialogOpen, playBurst } from "../kill/button";
import { isSound } from "../kill/proof";
import { notify, warn } from "../state/notices";
import { hrefOf } from "../state/route";
import { INSTALL, SOURCE } from "./links";
import { EngineProgress } from "./engine-progress";

type StepProgress = "ahead" | "now" | "done";

/** The current step of a burst, from 0; 4 when it is over. */
const POSITION: Record<Burst["at"], number> = { none: -1, starting: 0, answering: 1, killed: 2, proved: 4 };

export function Hero() {
  const now = session.value;
  const running = isRunning(burst.value);
  const durable = now.state === "open" && now.store.durable;
  return (
    <section class="hero" aria-labelledby="hero-title" data-testid="hero">
      <h2 id="hero-title">
        Durable execution in your browser tab: close it <span>mid-question,</span> come back next week, it resumes.
      </h2>
      <p class="hero-why">
        Your program stops to ask a person or a model, and waits for minutes or months. Every variable is saved before
        the question is shown, so a crash loses nothing and repeats nothing.
      </p>
      <div class="hero-actions">
        {now.state === "opening" ? (
          <EngineProgress />
        ) : (
          <button
            type="button"
            class="primary play"
            aria-disabled={running}
            onClick={() => (durable ? void playBurst(randomPlan()) : (killDialogOpen.value = true))}
            data-testid="play"
          >
            <span aria-hidden="true">▶</span>{" "}
            {running ? "Playing …" : burst.value.at === "proved" ? "Play it again" : "Run, answer, kill, still there"}
          </button>
        )}
        <Install />
        {SOURCE === null ? null : (
          <a class="action" href={SOURCE} data-testid="source-link">
            Source code
          </a>
        )}
      </div>
      <Story />
      <p class="hint hero-self">
        Or do it yourself:{" "}
        <button type="button" class="link" onClick={() => (killDialogOpen.value = true)} data-testid="kill-how">
          how to kill this tab
        </button>
      </p>
    </section>
  );
}

function Install() {
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(INSTALL);
      notify("Copied", INSTALL);
    } catch {
      warn("Not copied", `The browser does not allow the page to copy. The command is: ${INSTALL}`);
    }
  }

  return (
    <button type="button" class="install" onClick={() => void copy()} title="Copy" data-testid="install">
      <code>{INSTALL}</code>
      <span class="hidden">, copy the command</span>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <rect x="5" y="5" width="9" height="9" rx="2" fill="none" stroke="currentcolor" stroke-width="1.5" />
        <path d="M3 11V4a2 2 0 0 1 2-2h6" fill="none" stroke="currentcolor" stroke-width="1.5" />
      </svg>
    </button>
  );
}

/** The four steps, each with its outcome. */
function Story() {
  const now = burst.value;
  const saved = "saved" in now ? now.saved : 0;
  const steps: [title: string, words: string][] = [
    ["Run", now.at === "starting" && isCompilerLoading.value ? "Loading the compiler …" : "A program starts and asks 200 questions."],
    ["Answer", saved > 0 ? `${saved} answers saved.` : "Each answer is saved before the next question."],
    ["Kill", `Its engine ${POSITION[now.at] < 2 ? "is" : "was"} terminated in the middle of a save.`],
    ["Still there", describeOutcome(now)],
  ];
  return (
    <ol class="story" aria-label="The story of the button" data-testid="story" data-at={now.at}>
      {steps.map(([title, words], index) => (
        <li key={title} data-progress={stepProgress(now, index)}>
          <strong>{title}</strong>
          <span>{words}</span>
          {index === 3 && now.at === "proved" ? (
            <a class="action" href={hrefOf(now.execution)} data-testid="story-next">
              Answer the next question
            </a>
          ) : null}
        </li>
      ))}
    </ol>
  );
}

function stepProgress({ at }: Burst, index: number): StepProgress {
  const position = POSITION[at];
  return index < position ? "done" : index === position ? "now" : "ahead";
}

function describeOutcome(now: Burst): string {
  const proof = killReport.value?.proof;
  if (now.at !== "proved" || proof === undefined) return "Reopened, it has every answer once and continues.";
  return isSound(proof) ? `All ${proof.acknowledged} answers, none twice. It waits for the next one.` : "Answers are missing; see the line above.";
}
