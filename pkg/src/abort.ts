// Abortable waits. An abort ends only the wait: an operation that was already sent is not recalled and may still be
// committed.

/** Settles as `promise` does, but rejects with the signal's reason as soon as the signal is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const rejectAborted = () => reject(signal.reason as Error);
    if (signal.aborted) {
      promise.catch(() => {});
      rejectAborted();
      return;
    }
    signal.addEventListener("abort", rejectAborted, { once: true });
    const stopListening = () => signal.removeEventListener("abort", rejectAborted);
    promise.then(resolve, reject).finally(stopListening);
  });
}
