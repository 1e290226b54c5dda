// answers: ["fast"]
async function withTimeout<T>(task: (signal: AbortSignal) => Promise<T>, ms: number): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error(`timed out after ${ms} ms`)), ms);
  try {
    return await task(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

async function main() {
  console.log(await withTimeout(async () => "done at once", 100));
  try {
    await withTimeout((signal) => delay(5_000, signal), 50);
  } catch (error) {
    console.log("aborted:", (error as Error).message);
  }
  const controller = new AbortController();
  controller.abort();
  console.log(controller.signal.aborted, controller.signal.reason?.name);
}
