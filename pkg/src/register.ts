// `runstate/register`: `node --import runstate/register app.js` imports programs from their files.

import module, { type LoadHook } from "node:module";

import { load } from "./register-hooks.js";

/** Node 22.15 and later have `registerHooks`, and deprecate `register`. */
const { register, registerHooks }: { register: typeof module.register; registerHooks?: (hooks: { load: LoadHook }) => void } = module;

if (registerHooks === undefined) register("./register-hooks.js", import.meta.url);
else registerHooks({ load });
