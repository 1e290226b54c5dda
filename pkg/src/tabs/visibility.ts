// The visibility of the page that runs this code. A worker has no page and is not throttled as pages are, so it counts
// as visible.

export class Visibility {
  readonly #listener: () => void;

  constructor(onChange: () => void) {
    this.#listener = onChange;
  }

  get visible(): boolean {
    return typeof document === "undefined" || document.visibilityState === "visible";
  }

  start(): void {
    if (typeof document !== "undefined") document.addEventListener("visibilitychange", this.#listener);
  }

  stop(): void {
    if (typeof document !== "undefined") document.removeEventListener("visibilitychange", this.#listener);
  }
}
