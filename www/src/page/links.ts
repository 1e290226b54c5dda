// The source code, and the command that installs the package.

/** The address of the source code; null if it is unknown. */
export const SOURCE = __SOURCE__;

export const INSTALL = "npm i runstate";
