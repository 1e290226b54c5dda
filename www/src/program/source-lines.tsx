// The lines of a source with numbers, highlighted with the grammar of the editor once that is loaded. Until then they are plain text. The grammar and
// the editor are downloaded separately, after the engine, once the service worker can cache them.

import { useEffect, useMemo, useState } from "preact/hooks";

import { engineModule } from "../engine/wasm";
import { offlineReady } from "../page/offline";
import type { HighlightToken } from "./highlight";

interface SourceLinesProps {
  source: string;
  /** The CSS class of a line, counted from 1; "" for none. */
  classOf?(line: number): string;
}

/** Waits until the editor or the grammar may be downloaded. Both also work without an engine. */
export async function modulesReady(): Promise<void> {
  await Promise.allSettled([offlineReady, engineModule()]);
}

export function SourceLines({ source, classOf = () => "" }: SourceLinesProps) {
  const [highlight, setHighlight] = useState<((source: string) => HighlightToken[][]) | null>(null);

  useEffect(() => {
    modulesReady()
      .then(() => import("./highlight"))
      .then((module) => setHighlight(() => module.highlight))
      .catch((error: unknown) => console.info("runstate: the source is shown without highlighting:", error));
  }, []);

  const lines = useMemo(
    () => highlight?.(source) ?? source.split("\n").map((text) => [{ text, classes: "" }]),
    [highlight, source],
  );
  return (
    <div class="lines">
      {lines.map((tokens, index) => (
        <div key={index} class={classOf(index + 1)}>
          {tokens.map(({ text, classes }) => (classes === "" ? text : <span class={classes}>{text}</span>))}
        </div>
      ))}
    </div>
  );
}
