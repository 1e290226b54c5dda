// The settings of the extension. A person may write any value into a settings file, so each is checked where it is
// read.

import type { Settings } from "./editor.ts";

/** The value of a setting, or the nearest one that the extension can use. The defaults are those of package.json. */
export function checkSetting<K extends keyof Settings>(name: K, value: unknown): Settings[K] {
  return CHECKS[name](value);
}

const CHECKS: { readonly [K in keyof Settings]: (value: unknown) => Settings[K] } = {
  answeredBy: (value) => (typeof value === "string" && value.trim() !== "" ? value.trim().slice(0, 100) : "VS Code"),
  programFiles: (value) => {
    const globs = typeof value === "string" ? [value] : value;
    return Array.isArray(globs) ? globs.filter((glob) => typeof glob === "string") : ["**/*.run.ts"];
  },
  finishedExecutions: (value) => Math.min(1000, Math.max(0, Math.trunc(typeof value === "number" && Number.isFinite(value) ? value : 50))),
  storeFolder: (value) => (typeof value === "string" ? value.trim() : ""),
};
