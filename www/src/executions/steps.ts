// A wish to go so many executions down the list (or up), from wherever a key was pressed.

import { signal } from "@preact/signals";

export const steps = signal(0);
