// The tab of a small application. Tests call the functions that it puts on the window; `ready` is set when the package is loaded.

import * as runstate from "runstate";

window.runstate = runstate;

/** Opens a store and keeps it in `window.store`. */
window.openStore = async (url, options) => {
  window.store = await runstate.open(url, options);
  return window.store.url;
};

/** The error of a promise that rejects; null if it resolves. */
window.refusal = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    return { name: error.name, code: error.code, message: error.message, retryable: error.retryable };
  }
};

window.ready = true;
