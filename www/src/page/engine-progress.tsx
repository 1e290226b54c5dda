// The progress of the engine's download.

import { session } from "../engine/session";
import { downloadProgress } from "../engine/wasm";

export function EngineProgress() {
  if (session.value.state !== "opening") return null;
  const percent = Math.floor(downloadProgress.value * 100);
  return (
    <p class="engine-progress" data-testid="engine-progress" data-percent={percent}>
      <label for="engine-progress">{percent < 100 ? `Loading the engine: ${percent} %` : "Starting …"}</label>
      <progress id="engine-progress" max={100} value={percent} />
    </p>
  );
}
