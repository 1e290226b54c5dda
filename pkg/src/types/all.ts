// `runstate/types`: the types of the parameters, results and documents of all operations.

export type { ErrorInit } from "../errors.js";
export type * from "../wire.js";
