// The theme: that of the system until the visitor chooses light or dark. `index.html` applies it before the first paint.

import { signal } from "@preact/signals";

import { browserStorage } from "./web-storage";

const NEXT = { system: "light", light: "dark", dark: "system" } as const;

export const theme = signal<keyof typeof NEXT>((document.documentElement.dataset["theme"] as "light" | "dark" | undefined) ?? "system");

/** Switches from system to light to dark to system. */
export function nextTheme(): void {
  theme.value = NEXT[theme.value];
  browserStorage.set("theme", theme.value);
  document.documentElement.dataset["theme"] = theme.value;
}
