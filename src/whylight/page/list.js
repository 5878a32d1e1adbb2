// The rows on a page of a table, as cards or as rows with the table's own columns, and the links to its other pages.

import { element } from "./dom.js";
import { shareStyle } from "./overview.js";
import { confidenceOf, explainedClass, fileName, mark, picture, resultOf } from "./row.js";
import { addTexts, number, text } from "./text.js";
import { linkTo } from "./view.js";

/**
 * @import {ClassNames} from "./names.js"
 * @import {Row, TableFacts, View} from "./source.js"
 */

const THUMBNAIL = { width: 96, height: 96, loading: "lazy", decoding: "async" };
/** @type {Record<string, "ascending" | "descending">} */
const CONFIDENCE_ORDERS = { unsure: "ascending", confident: "descending" };

addTexts({
  en: {
    map_of: "Map of {explained}",
    column_row: "Row",
    column_problem: "Error",
    page_before: "Previous",
    page_after: "Next",
    page: "Page {page}",
  },
  ja: {
    map_of: "マップ: {explained}",
    column_row: "行",
    column_problem: "エラー",
    page_before: "前へ",
    page_after: "次へ",
    page: "{page} ページ",
  },
});

/**
 * What the rows of a list have in common.
 *
 * @typedef {object} ListFacts
 * @property {TableFacts} facts
 * @property {ClassNames} names
 * @property {View} view
 */

// ---- cards

/**
 * @param {Row[]} rows
 * @param {ListFacts} list
 */
export function cards(rows, list) {
  return element("ul", { class: "cards" }, ...rows.map((row) => element("li", {}, card(row, list))));
}

/**
 * @param {Row} row
 * @param {ListFacts} list
 */
function card(row, { facts, names, view }) {
  const result = resultOf(row);
  const hasBar = row.confidence !== null && facts.areProbabilities;
  const address = { ...view, image: row.number };
  return linkTo(
    address,
    {
      class: `card ${row.error ? "error" : result}`,
      "data-row": row.number,
      title: row.error || null,
      style: hasBar ? shareStyle(row.confidence ?? 0) : null,
    },
    element("span", { class: "pair" }, ...pair(row)),
    element("span", { class: hasBar ? "bar" : "bar empty" }),
    element(
      "span",
      { class: "decision" },
      mark({ error: row.error, result }),
      element("span", { class: "names" }, ...decision(row, names)),
    ),
    mapOf(row, names),
    element(
      "small",
      {},
      element("span", {}, text("row", { row: row.number })),
      element("span", {}, confidenceOf(row, facts)),
    ),
    row.error ? element("small", { class: "problem" }, row.error) : null,
  );
}

/** @param {Row} row */
function pair(row) {
  return [
    picture(row, "image", row.thumbnail, THUMBNAIL),
    picture(row, "overlay", row.overlayThumbnail, THUMBNAIL),
  ];
}

/**
 * The classes that a card names, or the image's name where it knows none.
 *
 * @param {Row} row
 * @param {ClassNames} names
 */
function decision(row, names) {
  const classes = [row.truth, resultOf(row) === "right" ? null : row.predicted].filter((index) => index !== null);
  const found = classes.map((index) => element("span", { title: names.full(index) }, names.short(index)));
  if (found.length === 2) found[1].prepend(element("i", {}, "→ "));
  return found.length ? found : [element("span", { title: row.name }, fileName(row.name))];
}

/**
 * What the overlay explains, where that is not the one class that the card names.
 *
 * @param {Row} row
 * @param {ClassNames} names
 */
function mapOf(row, names) {
  const { explained } = row;
  const isOnlyOne = explained === row.predicted && (row.truth === null || row.truth === row.predicted);
  if (explained === null || row.overlayName === "" || isOnlyOne) return null;
  const title = text("map_of", { explained: explainedClass({ ...row, explained }, names) });
  return element("span", { class: "explained", title }, text("map_of", { explained: names.short(explained) }));
}

// ---- rows

/**
 * @param {Row[]} rows
 * @param {ListFacts} list
 */
export function tableOfRows(rows, list) {
  const { facts, names, view } = list;
  const has = {
    overlays: facts.explained > 0,
    truths: facts.truths.length > 0,
    predictions: facts.predictions.length > 0,
    problems: rows.some((row) => row.error !== ""),
  };

  /** @param {Row} row */
  function tableRow(row) {
    const result = resultOf(row);
    return element(
      "tr",
      { class: result, "data-row": row.number },
      element(
        "th",
        { scope: "row" },
        linkTo({ ...view, image: row.number }, { title: row.name || null }, number(row.number)),
      ),
      element("td", { class: "thumbnail" }, picture(row, "image", row.thumbnail, THUMBNAIL)),
      has.overlays
        ? element("td", { class: "thumbnail" }, picture(row, "overlay", row.overlayThumbnail, THUMBNAIL))
        : null,
      has.truths ? classCell("truth", row.truth, names) : null,
      has.predictions
        ? classCell("predicted", row.predicted, names, mark({ error: "", result }), confidenceOf(row, facts))
        : null,
      ...row.cells.map((cell) => element("td", { title: cell }, cell)),
      has.problems ? element("td", { class: "problem", title: row.error }, row.error) : null,
    );
  }

  /**
   * @param {string} key
   * @param {Record<string, "ascending" | "descending">} orders
   */
  const heading = (key, orders = {}) => headingCell(text(key), orders, view);
  const headings = [
    heading("column_row", { row: "ascending" }),
    heading("image"),
    has.overlays ? heading("overlay") : null,
    has.truths ? heading("truth", { class: "ascending" }) : null,
    has.predictions ? heading("predicted", facts.hasConfidences ? CONFIDENCE_ORDERS : {}) : null,
    ...facts.columns.map((name) => element("th", { scope: "col", title: name }, name)),
    has.problems ? heading("column_problem") : null,
  ];
  return element(
    "div",
    { class: "scroll" },
    element(
      "table",
      { class: "rows", "aria-labelledby": "images-title" },
      element("thead", {}, element("tr", {}, ...headings)),
      element("tbody", {}, ...rows.map(tableRow)),
    ),
  );
}

/**
 * Scroll a row of the table into sight; the page around the table stays where it is.
 *
 * @param {HTMLElement} row
 */
export function scrollToRow(row) {
  const box = /** @type {HTMLElement} */ (row.closest(".scroll"));
  const [head, all, wanted] = [box.querySelector("thead"), box, row].map((node) => node?.getBoundingClientRect());
  if (!head || !all || !wanted) return;
  box.scrollTop += Math.min(0, wanted.top - head.bottom) + Math.max(0, wanted.bottom - all.bottom);
}

/**
 * A column's heading; a link to the next of the orders that the column has.
 *
 * @param {string} name
 * @param {Record<string, "ascending" | "descending">} orders
 * @param {View} view
 */
function headingCell(name, orders, view) {
  const known = Object.keys(orders);
  if (known.length === 0) return element("th", { scope: "col" }, name);
  const next = known[(known.indexOf(view.sort) + 1) % known.length];
  const link = linkTo({ ...view, sort: next, page: 1, image: 0 }, { title: text(`sort_${next}`) }, name);
  return element("th", { scope: "col", "aria-sort": orders[view.sort] ?? null }, link);
}

/**
 * @param {string} kind
 * @param {number | null} index
 * @param {ClassNames} names
 * @param {...(Node | string | null)} more
 */
function classCell(kind, index, names, ...more) {
  if (index === null) return element("td");
  const said = more.filter(Boolean).flatMap((part) => [" ", part]);
  return element("td", { class: kind, title: names.full(index) }, element("span", {}, names.short(index)), ...said);
}

// ---- pages

/**
 * @param {number} page the one that is shown
 * @param {number} pages
 * @param {View} view
 */
export function pageLinks(page, pages, view) {
  /** @param {number} target */
  const address = (target) => ({ ...view, page: target, image: 0 });

  /**
   * @param {number} target
   * @param {string} key
   * @param {string} rel
   */
  function step(target, key, rel) {
    if (target < 1 || target > pages) return element("span", { class: "step" }, text(key));
    return linkTo(address(target), { class: "step", rel }, text(key));
  }

  const numbers = [...new Set([1, page - 1, page, page + 1, pages])].filter((target) => target >= 1 && target <= pages);
  const links = numbers.flatMap((target, index) => {
    const label = text("page", { page: number(target) });
    const current = target === page ? "page" : null;
    const link = linkTo(address(target), { "aria-label": label, "aria-current": current }, number(target));
    return index > 0 && target > numbers[index - 1] + 1 ? [element("span", {}, "…"), link] : [link];
  });
  return [step(page - 1, "page_before", "prev"), ...links, step(page + 1, "page_after", "next")];
}
