// The version of the package, which equals the version of the library.

declare const RUNSTATE_VERSION: string;

export const version: string = RUNSTATE_VERSION;
