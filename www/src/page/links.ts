// What the page links to, and how the package is installed.

/** The source code; null: nobody knows where it is. */
export const SOURCE = __SOURCE__;

export const INSTALL = "npm i runstate";
