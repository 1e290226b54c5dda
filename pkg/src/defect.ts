// What a defect throws out of the WebAssembly. It does its work in microtasks, where nobody can catch it: Node would end the process, though all
// who wait have been told. The build puts `queueMicrotask` of this file in the place of the host's, in the glue (`scripts/face.mjs`).

let told = false;

/** All who wait have been told of a defect: what it throws next says nothing new. */
export function defectIsTold(): void {
  told = true;
}

// Not declared under its exported name: at the top of a classic script such a declaration replaces the host's function.
export { queueTask as queueMicrotask };

/** As the host's; keeps to itself what a defect throws that was told. */
function queueTask(task: () => void): void {
  globalThis.queueMicrotask(() => {
    try {
      task();
    } catch (thrown) {
      if (!told || !(thrown instanceof WebAssembly.RuntimeError)) throw thrown;
    }
  });
}
