// The start of the page for first visitors: one sentence, the install command, and one button that plays the story.

import { isCompilerLoading } from "../engine/compiler";
import { isDurable, isOpening } from "../engine/session";
import { downloadProgress } from "../engine/wasm";
import { burst, isRunning, randomPlan, type Burst } from "../kill/burst";
import { killDialogOpen, playBurst } from "../kill/dialog";
import { killReport } from "../kill/ledger";
import { isSound } from "../kill/proof";
import { copy } from "../state/notices";
import { hrefOf } from "../state/route";
import { Button } from "../ui/controls";

const INSTALL = "npm i runstate";

/** The current step of a burst, from 0; 4 when it is over. */
const POSITION: Record<Burst["at"], number> = { none: -1, starting: 0, answering: 1, killed: 2, proved: 4 };

export function Hero() {
  const running = isRunning(burst.value);
  return (
    <section class="hero stack" aria-labelledby="hero-title" data-testid="hero">
      <h2 id="hero-title">
        Durable execution in your browser tab: close it <span>mid-question,</span> come back next week, it resumes.
      </h2>
      <p class="hero-why">
        Your program stops to ask a person or a model, and waits for minutes or months. Every variable is saved before
        the question is shown, so a crash loses nothing and repeats nothing.
      </p>
      <div class="bar">
        {isOpening.value ? (
          <EngineProgress />
        ) : (
          <Button
            class="primary play"
            busy={running}
            onClick={() => (isDurable.value ? playBurst(randomPlan()) : (killDialogOpen.value = true))}
            testid="play"
          >
            <span aria-hidden="true">▶</span>{" "}
            {running ? "Playing …" : burst.value.at === "proved" ? "Play it again" : "Run, answer, kill, still there"}
          </Button>
        )}
        <Button class="install" onClick={() => copy(INSTALL, "command")} title="Copy" testid="install">
          <code>{INSTALL}</code>
          <span class="hidden">, copy the command</span>
          <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
            <rect x="5" y="5" width="9" height="9" rx="2" fill="none" stroke="currentcolor" stroke-width="1.5" />
            <path d="M3 11V4a2 2 0 0 1 2-2h6" fill="none" stroke="currentcolor" stroke-width="1.5" />
          </svg>
        </Button>
        <a class="action" href={__SOURCE__} data-testid="source-link">
          Source code
        </a>
      </div>
      <Story />
      <p class="hint">
        Or do it yourself:{" "}
        <Button class="link" onClick={() => (killDialogOpen.value = true)} testid="kill-how">
          how to kill this tab
        </Button>
      </p>
    </section>
  );
}

/** The progress of the engine's download. */
export function EngineProgress() {
  if (!isOpening.value) return null;
  const percent = Math.floor(downloadProgress.value * 100);
  return (
    <p class="engine-progress" data-testid="engine-progress" data-percent={percent}>
      <label for="engine-progress">{percent < 100 ? `Loading the engine: ${percent} %` : "Starting …"}</label>
      <progress id="engine-progress" max={100} value={percent} />
    </p>
  );
}

/** The four steps, each with its outcome. */
function Story() {
  const now = burst.value;
  const position = POSITION[now.at];
  const steps: [title: string, text: string, tone: string, mark: string][] = [
    ["Run", now.at === "starting" && isCompilerLoading.value ? "Loading the compiler …" : "A program starts and asks 200 questions.", "saved", "✓"],
    ["Answer", now.saved > 0 ? `${now.saved} answers saved.` : "Each answer is saved before the next question.", "saved", "✓"],
    ["Kill", `Its engine ${position < 2 ? "is" : "was"} terminated in the middle of a save.`, "bad", "✕"],
    ["Still there", describeOutcome(now), "saved", "✓"],
  ];
  return (
    <ol class="story" aria-label="The story of the button" data-testid="story" data-at={now.at}>
      {steps.map(([title, text, tone, mark], index) => (
        <li
          key={title}
          class={index < position ? tone : index === position ? "waits" : undefined}
          data-mark={index < position ? mark : index + 1}
        >
          <strong>{title}</strong>
          <span class="hint">{text}</span>
          {index === 3 && now.at === "proved" && (
            <a class="action" href={hrefOf(now.execution)} data-testid="story-next">
              Answer the next question
            </a>
          )}
        </li>
      ))}
    </ol>
  );
}

function describeOutcome({ at }: Burst): string {
  const proof = killReport.value?.proof;
  if (at !== "proved" || proof === undefined) return "Reopened, it has every answer once and continues.";
  return isSound(proof) ? `All ${proof.acknowledged} answers, none twice. It waits for the next one.` : "Answers are missing; see the line above.";
}
