// The theme: that of the system until the visitor chooses light or dark.

import { signal } from "@preact/signals";

import { browserStorage } from "./web-storage";

export type Theme = "system" | "light" | "dark";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

export const theme = signal<Theme>(storedTheme());

/** Switches from system to light to dark to system. */
export function nextTheme(): void {
  theme.value = NEXT[theme.value];
  if (theme.value === "system") browserStorage.remove("theme");
  else browserStorage.set("theme", theme.value);
  if (theme.value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
}

function storedTheme(): Theme {
  const stored = browserStorage.get("theme");
  return stored === "light" || stored === "dark" ? stored : "system";
}
