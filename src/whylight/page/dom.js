// Elements: found, made, filled.

/**
 * The element with this id, which the page has.
 *
 * @param {string} id
 * @returns {any} of whatever kind the page has there
 */
export function place(id) {
  return document.getElementById(id);
}

/**
 * An element with the attributes and children that are not null; strings become text, never markup.
 *
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...(Node | string | null)} children
 * @returns {any} the element
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null) continue;
    if (name === "style") node.style.cssText = value; // as an attribute, a Content-Security-Policy refuses it
    else node.setAttribute(name, value);
  }
  for (const child of children) if (child !== null) node.append(child);
  return node;
}
