// Errors of the store, as a person reads them.

/** What an error says, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The message of an error for the log, with its code if it has one. */
export function detailOf(error: unknown): string {
  const code = codeOf(error);
  return code === undefined ? messageOf(error) : `${messageOf(error)} (${code})`;
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

/** What was read; undefined if it does not exist, because it was deleted for example. */
export function unlessMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  return reading.catch((error: unknown) => {
    if (codeOf(error) === "not_found") return undefined;
    throw error;
  });
}
