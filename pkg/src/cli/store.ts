// Chooses the store: the one of `--store`, else the one of the environment. The native command line reads the same variables.

import { usageError } from "../errors.js";
import { expandHome } from "../node/home.js";

/** Environment variables by name. */
export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** Describes how the store was chosen, as a phrase after its URL; undefined if `--store` names it. */
export function describeSource(storeFlag: string | undefined, env: EnvironmentVariables): string | undefined {
  if (storeFlag !== undefined) return undefined;
  const variable = env["RUNSTATE_STORE"] ? "RUNSTATE_STORE" : env["CVM_DATA_DIR"] ? "CVM_DATA_DIR" : undefined;
  if (variable !== undefined) return `is the store that ${variable} names`;
  return "is the default store, the folder `.cvm` in the home directory that the older CVM uses too";
}

/** The URL of the store. */
export function storeUrl(storeFlag: string | undefined, env: EnvironmentVariables): string {
  const home = env["HOME"] || env["USERPROFILE"];
  const url = storeFlag ?? env["RUNSTATE_STORE"];
  if (url) {
    if (!home && url.startsWith("file:~")) throw usageError(`\`${url}\` cannot be opened: there is no home directory; use an absolute path`);
    return expandHome(url, home);
  }
  switch (env["CVM_STORAGE_TYPE"] || "file") {
    case "file":
      if (env["CVM_DATA_DIR"]) return `file:${env["CVM_DATA_DIR"]}`;
      if (home) return `file:${home}/.cvm`;
      throw usageError("the store is missing: no store is named, and there is no home directory for the default store; set RUNSTATE_STORE, or use --store file:DIR");
    case "mongodb":
      if (env["MONGODB_URI"]) return env["MONGODB_URI"];
      throw usageError("the store is missing: CVM_STORAGE_TYPE is `mongodb`, but MONGODB_URI is not set; set it, or use --store URL");
    default:
      throw usageError(`CVM_STORAGE_TYPE is \`${env["CVM_STORAGE_TYPE"]}\`; it must be \`file\``);
  }
}

/** The retention of finished executions, in milliseconds; undefined to keep them forever. */
export function retentionMs(env: EnvironmentVariables): number | undefined {
  const days = env["RUNSTATE_RETENTION_DAYS"];
  if (!days) return undefined;
  if (!/^\d+$/.test(days.trim())) throw usageError(`RUNSTATE_RETENTION_DAYS is \`${days}\`; it must be a whole number of days`);
  return Number(days) * 86_400_000;
}
