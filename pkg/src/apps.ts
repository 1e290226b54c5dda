// `rs.apps`: apps, their executions and steps. All operations come from the generated class.

import { Artifacts } from "./artifacts.js";
import type { Engine } from "./engine.js";
import { AppsOperations } from "./generated.js";
import { type KindOf, type StepHandlers, type StepTask, type WorkerHandle, type WorkerItems, type WorkerOptions, startWorker } from "./worker.js";
import { WAIT, type WaitOptions } from "./options.js";
import { validateOptions } from "./validation.js";
import type { AppExecution, StepWork, StepWorkerEvent } from "./wire.js";

const STEPS: WorkerItems<StepWork> = {
  method: "apps.worker",
  items: "apps.step_queue",
  run: async (handler, _, { claimed, input, error }, signal) => {
    const task: StepTask = { execution: claimed.executionId, step: claimed.stepId, attempt: claimed.attempts, error, signal };
    return (await handler(input, task)) ?? null;
  },
};

/** The apps of a store. Pages have them by `runstate/full`. Every method rejects with a `RunstateError`. */
export class Apps extends AppsOperations {
  readonly #engine: Engine;
  /** The bytes of artifacts of steps. */
  readonly artifacts: Artifacts;

  /** @internal */
  constructor(engine: Engine) {
    super(engine);
    this.#engine = engine;
    this.artifacts = new Artifacts(engine);
  }

  /**
   * Starts a worker, which runs the steps with the names of its handlers until it is stopped. A handler receives the
   * input of a step and returns its output. A step is tried again, as its configuration says, if its handler throws or
   * returns an output that is not as declared; see {@link CallFailure}.
   *
   * @example
   * const stop = rs.apps.worker({ fetch: async ({ url }: { url: string }) => ({ text: await (await fetch(url)).text() }) });
   */
  worker<I>(handlers: StepHandlers<I>, options: WorkerOptions<KindOf<I>, StepWorkerEvent> = {}): WorkerHandle {
    return startWorker(this.#engine, STEPS, handlers as object, options);
  }

  /**
   * Waits until an execution has ended, and resolves to it, however it ended: `status` is `completed`, `failed` or
   * `cancelled`. It runs no steps: workers do. Rejects with `not_found` if the execution does not exist, or is removed.
   *
   * @example
   * const { status, error } = await rs.apps.wait(id, { signal: AbortSignal.timeout(60_000) });
   */
  async wait(id: string, options: WaitOptions = {}): Promise<AppExecution> {
    const { signal } = validateOptions("apps.wait", options, WAIT);
    const watch = this.#engine.appFollower.watch(id, signal);
    try {
      await watch.open();
      for (;;) {
        const execution = await this.#engine.invoke("apps.execution.show", { signal }, { id });
        if (execution.status !== "running") return execution;
        await watch.change();
      }
    } finally {
      watch.close();
    }
  }
}
