// Waiting for a call no longer than somebody wants to. What was sent is not called back: it may be committed all the same.

/** As `promise`, but rejects with the signal's reason as soon as it is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason as Error);
    if (signal.aborted) {
      promise.catch(() => {});
      aborted();
      return;
    }
    signal.addEventListener("abort", aborted, { once: true });
    const heard = () => signal.removeEventListener("abort", aborted);
    promise.then(resolve, reject).finally(heard);
  });
}
