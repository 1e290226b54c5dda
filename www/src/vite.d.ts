/** The address of the source code, from `build/source.ts`; null if there is none. */
declare const __SOURCE__: string | null;
