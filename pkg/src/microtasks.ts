// Traps of the WebAssembly after a panic. The WebAssembly runs in microtasks, where no caller can catch a trap: Node
// would end the process, although all pending calls were rejected. The build replaces `queueMicrotask` in the glue by
// the one of this file (`scripts/javascript.mjs`).

let ignoreTraps = false;

/** Ignores traps from now on. Called after a panic, when all pending calls have been rejected. */
export function ignoreFurtherTraps(): void {
  ignoreTraps = true;
}

// Not declared under its exported name: at the top level of a classic script, such a declaration would replace the
// host's function.
export { queueTask as queueMicrotask };

/** Queues a task as the host's function does, but ignores traps after {@link ignoreFurtherTraps}. */
function queueTask(task: () => void): void {
  globalThis.queueMicrotask(() => {
    try {
      task();
    } catch (thrown) {
      if (!ignoreTraps || !(thrown instanceof WebAssembly.RuntimeError)) throw thrown;
    }
  });
}
