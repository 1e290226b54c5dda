// Elements of pages. Every text becomes a text node, never markup.

/** An element with a class, and children that are elements or texts. */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function section(name, ...children) {
  return element("section", name, element("h2", "", name), ...children);
}
