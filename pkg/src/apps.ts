// `rs.apps`: apps, their executions and steps. All operations come from the generated class.

import { Artifacts } from "./artifacts.js";
import type { Engine } from "./engine.js";
import { AppsOperations } from "./generated.js";
import { type StepHandler, type StepTask, type WorkerHandle, type WorkerItems, type WorkerOptions, startWorker } from "./worker.js";
import type { StepWork, StepWorkerEvent } from "./wire.js";

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
   * const stop = rs.apps.worker({ fetch: async ({ url }) => ({ text: await (await fetch(url)).text() }) });
   */
  worker<H extends Record<string, StepHandler<never>>>(
    handlers: H,
    options: WorkerOptions<keyof H & string, StepWorkerEvent> = {},
  ): WorkerHandle {
    return startWorker(this.#engine, STEPS, handlers, options);
  }
}
