// A requested move of the selection in the list, by a number of rows. Any part of the page can set it.

import { signal } from "@preact/signals";

export const selectionOffset = signal(0);
