// The view of a table in the page's address, behind the #: every control is another address.

import { element } from "./dom.js";

/** @import {View} from "./source.js" */

/** @type {View} */
export const EVERYTHING = {
  result: "",
  truth: "",
  predicted: "",
  from: "",
  to: "",
  text: "",
  sort: "row",
  page: 1,
  image: 0,
};

/** @type {Record<string, RegExp>} */
const allowed = {
  result: /^(right|wrong|error)$/,
  truth: /^\d{1,9}$/,
  predicted: /^\d{1,9}$/,
  from: /^-?\d+(\.\d+)?$/,
  to: /^-?\d+(\.\d+)?$/,
  text: /^.{1,200}$/su,
  sort: /^(confident|unsure|class)$/,
  page: /^[1-9]\d{0,8}$/,
  image: /^[1-9]\d{0,8}$/,
};

/** @type {Set<string>} */
const kept = new Set();

/**
 * Have every address of a view keep these keys, which are the page's own: the model, say, or the question.
 *
 * @param {...string} keys
 */
export function keepInAddress(...keys) {
  for (const key of keys) kept.add(key);
}

/**
 * The view that an address asks for; what it cannot mean is left out.
 *
 * @param {string} hash
 * @returns {View}
 */
export function viewOf(hash = location.hash) {
  /** @type {Record<string, string | number>} */
  const view = { ...EVERYTHING };
  for (const [key, value] of new URLSearchParams(hash.slice(1))) {
    if (Object.hasOwn(allowed, key) && allowed[key].test(value))
      view[key] = typeof view[key] === "number" ? Number(value) : value;
  }
  return /** @type {any} */ (view);
}

/**
 * The address of a view, with what the page keeps in it.
 *
 * @param {View} view
 * @returns {string} from the # on
 */
export function hashOf(view) {
  const changed = Object.entries(view).filter(
    ([key, value]) => String(value) !== String(/** @type {any} */ (EVERYTHING)[key]),
  );
  return `#${new URLSearchParams([...Object.entries(keptOf()), ...changed.map(([key, value]) => [key, String(value)])])}`;
}

/**
 * What the address holds besides the view.
 *
 * @returns {Record<string, string>}
 */
export function keptOf() {
  return Object.fromEntries([...new URLSearchParams(location.hash.slice(1))].filter(([key]) => kept.has(key)));
}

/**
 * Change what the address holds besides the view, in the links that are there, too. The history gets no entry.
 *
 * @param {Record<string, string>} changes "" takes a key out
 */
export function replaceKept(changes) {
  const parameters = new URLSearchParams({ ...keptOf(), ...changes });
  for (const [key, value] of [...parameters]) if (value === "") parameters.delete(key);
  const view = viewOf();
  history.replaceState(null, "", `#${parameters}`);
  history.replaceState(null, "", hashOf(view));
  for (const anchor of document.querySelectorAll("a[data-view]")) {
    anchor.setAttribute("href", hashOf(viewOf(anchor.getAttribute("href") ?? "")));
  }
}

/**
 * A link to a view.
 *
 * @param {View} view
 * @param {Record<string, any>} attributes
 * @param {...(Node | string | null)} children
 * @returns {HTMLAnchorElement}
 */
export function linkTo(view, attributes, ...children) {
  return element("a", { href: hashOf(view), "data-view": "", ...attributes }, ...children);
}

/**
 * A link to all rows of which these things are true.
 *
 * @param {Partial<Record<keyof View, any>>} filter
 * @param {Record<string, any>} attributes
 * @param {...(Node | string | null)} children
 * @returns {HTMLAnchorElement}
 */
export function linkToAll(filter, attributes, ...children) {
  return linkTo({ ...EVERYTHING, ...filter }, attributes, ...children);
}
