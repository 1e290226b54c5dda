/** The address of the source code, from `vite.config.ts`. */
declare const __SOURCE__: string;
