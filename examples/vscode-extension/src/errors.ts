// Errors of the store, as a person reads them.

/** The message of an error, with its code if it has one. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  return code === undefined ? error.message : `${error.message} (${code})`;
}

/** Whether an error only says that a window closes or that the store is not ready, so that it is not a result. VS Code
 * rejects what waits for a closing window as `Canceled`. */
export function isInterruption(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "Canceled" || codeOf(error) === "closed" || ("retryable" in error && error.retryable === true);
}

/** The stable code of a `RunstateError`. Its class differs between the entries of the package, so the code is read by
 * name. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}
