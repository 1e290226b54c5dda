// Light or dark: as the system has it, until somebody chooses.

import { signal } from "@preact/signals";

import { inBrowser } from "./kept";

export type Theme = "system" | "light" | "dark";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

export const theme = signal<Theme>(read());

/** System, light, dark, and round again. */
export function nextTheme(): void {
  theme.value = NEXT[theme.value];
  if (theme.value === "system") inBrowser.remove("theme");
  else inBrowser.set("theme", theme.value);
  if (theme.value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
}

function read(): Theme {
  const kept = inBrowser.get("theme");
  return kept === "light" || kept === "dark" ? kept : "system";
}
