// A tab of a small application: tests call what it puts on the window. `ready` is set when the package is loaded.

import * as runstate from "runstate";

window.runstate = runstate;

/** Opens a store and keeps it for what tests do next. */
window.openStore = async (url, options) => {
  window.store = await runstate.open(url, options);
  return window.store.url;
};

/** What a promise that is refused is refused with; `null` where it is not. */
window.refusal = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    return { name: error.name, code: error.code, message: error.message, retryable: error.retryable };
  }
};

window.ready = true;
