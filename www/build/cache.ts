// The name of the cache that the page and its service worker share.

/** Files that are named by their content, of all versions of the page. */
export const ASSETS = "runstate-www-assets";
