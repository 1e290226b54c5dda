// The version of the package, which equals the version of the library.

declare const RUNSTATE_VERSION: string;

/** The version of runstate. */
export const version: string = RUNSTATE_VERSION;
