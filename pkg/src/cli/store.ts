// Which store is meant: the one that is named, else what the environment says, as the native command line reads it.

import { usage } from "../errors.js";
import { atHome } from "../node/home.js";

/** The environment variables that count. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What named the store, as the words after its URL say; undefined: `--store` did. */
export function namedBy(named: string | undefined, env: Environment): string | undefined {
  if (named !== undefined) return undefined;
  const variable = env["RUNSTATE_STORE"] ? "RUNSTATE_STORE" : env["CVM_DATA_DIR"] ? "CVM_DATA_DIR" : undefined;
  if (variable !== undefined) return `is the store that ${variable} names`;
  return "is the default store, the folder `.cvm` in the home directory that the older CVM uses too";
}

/** The URL of the store. */
export function storeUrl(named: string | undefined, env: Environment): string {
  const home = env["HOME"] || env["USERPROFILE"];
  const url = named ?? env["RUNSTATE_STORE"];
  if (url) {
    if (!home && url.startsWith("file:~")) throw usage(`\`${url}\`: there is no home directory`);
    return atHome(url, home);
  }
  switch (env["CVM_STORAGE_TYPE"] || "file") {
    case "file":
      if (env["CVM_DATA_DIR"]) return `file:${env["CVM_DATA_DIR"]}`;
      if (home) return `file:${home}/.cvm`;
      throw usage("no store is named and there is no home directory; use --store file:DIR");
    case "mongodb":
      if (env["MONGODB_URI"]) return env["MONGODB_URI"];
      throw usage("CVM_STORAGE_TYPE is mongodb, but MONGODB_URI names no server");
    default:
      throw usage(`CVM_STORAGE_TYPE is \`${env["CVM_STORAGE_TYPE"]}\`; it must be \`file\` here`);
  }
}

/** How long finished executions are kept, in milliseconds; undefined: for ever. */
export function retentionMs(env: Environment): number | undefined {
  const days = env["RUNSTATE_RETENTION_DAYS"];
  if (!days) return undefined;
  if (!/^\d+$/.test(days.trim())) throw usage(`RUNSTATE_RETENTION_DAYS is ${days}; it must be a number of days`);
  return Number(days) * 86_400_000;
}
