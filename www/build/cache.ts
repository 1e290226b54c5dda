// The name of the cache that the page and its service worker share.

/** The cache of all files that are named by their content, of all versions of the page. */
export const ASSETS_CACHE = "runstate-www-assets";
