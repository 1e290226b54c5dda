// Whether what runs here is shown. A worker has no page of its own and is not throttled as pages are: it counts as shown.

/** The visibility of this page. */
export class Visibility {
  readonly #listener: () => void;

  constructor(turned: () => void) {
    this.#listener = turned;
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
