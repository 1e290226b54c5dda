/** Where the source code is, as `build/source.ts` found it; null: nowhere. */
declare const __SOURCE__: string | null;
