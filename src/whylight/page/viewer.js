// One row, large, in front of the page.

import { element, place } from "./dom.js";
import { confidenceOf, explainedClass, fileName, mark, picture, resultOf } from "./row.js";
import { addTexts, text } from "./text.js";

/**
 * @import {ClassNames} from "./names.js"
 * @import {Opened, Row, TableFacts} from "./source.js"
 */

addTexts({
  en: {
    explained: "Explained class",
    overlay_of: "Overlay for {explained}",
    before: "Previous image",
    after: "Next image",
    close: "Close",
  },
  ja: {
    explained: "説明したクラス",
    overlay_of: "重ね合わせ: {explained}",
    before: "前の画像",
    after: "次の画像",
    close: "閉じる",
  },
});

/**
 * Show a row in the elements of `viewer.html`, or close them where there is none.
 *
 * @param {Opened} opened
 * @param {ClassNames} names
 * @param {TableFacts} facts
 */
export function drawViewer({ row, before, after }, names, facts) {
  const viewer = place("viewer");
  if (row === null) {
    viewer.close();
    return;
  }
  place("viewer-title").textContent = text("row", { row: row.number });
  place("viewer-facts").replaceChildren(...described(row, names, facts));
  place("viewer-error").textContent = row.error;
  place("viewer-pair").replaceChildren(imageFigure(row), overlayFigure(row, names));
  place("before").disabled = before === 0;
  place("after").disabled = after === 0;
  if (!viewer.open) {
    viewer.showModal();
    viewer.focus(); // no button is more likely than the arrow keys
  }
}

/**
 * Have the viewer's buttons and keys change what it shows.
 *
 * @param {{move: (step: number) => void, close: () => void}} table
 */
export function listenToViewer(table) {
  const viewer = place("viewer");
  place("before").addEventListener("click", () => table.move(-1));
  place("after").addEventListener("click", () => table.move(1));
  place("close").addEventListener("click", () => table.close());
  viewer.addEventListener("cancel", (/** @type {Event} */ event) => {
    event.preventDefault();
    table.close();
  });
  viewer.addEventListener("click", (/** @type {Event} */ event) => {
    if (event.target === viewer) table.close();
  });
  viewer.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowLeft") table.move(-1);
    if (event.key === "ArrowRight") table.move(1);
  });
}

/**
 * @param {Row} row
 * @param {ClassNames} names
 * @param {TableFacts} facts
 */
function described(row, names, facts) {
  const { truth, predicted, explained } = row;
  const result = resultOf(row);

  /**
   * @param {string} key
   * @param {string} value
   * @param {Node | null} sign
   */
  function said(key, value, sign = null) {
    const definition = element("dd", {}, value, sign && " ", sign);
    return element("div", { class: `${key} ${result}` }, element("dt", {}, text(key)), definition);
  }

  return [
    truth !== null && said("truth", names.full(truth)),
    predicted !== null && said("predicted", names.full(predicted), mark({ error: "", result })),
    explained !== null && row.overlayName !== "" && said("explained", explainedClass({ ...row, explained }, names)),
    row.confidence !== null && said("confidence", confidenceOf(row, facts)),
  ].filter((node) => node !== false);
}

/** @param {Row} row */
function imageFigure(row) {
  return figure(row, "image", row.image, row.thumbnail, row.name, text("image"));
}

/**
 * @param {Row} row
 * @param {ClassNames} names
 */
function overlayFigure(row, names) {
  const { explained } = row;
  const caption =
    explained === null
      ? text("overlay")
      : text("overlay_of", { explained: explainedClass({ ...row, explained }, names) });
  return figure(row, "overlay", row.overlay, row.overlayThumbnail, row.overlayName, caption);
}

/**
 * @param {Row} row
 * @param {"image" | "overlay"} kind
 * @param {string | null} address
 * @param {string | null} thumbnail
 * @param {string} name
 * @param {string} caption
 */
function figure(row, kind, address, thumbnail, name, caption) {
  const isInside = address === null || address.startsWith("data:"); // which a browser opens on no page of its own
  const image = picture(row, kind, thumbnail && address);
  // a format that browsers do not know, TIFF or DICOM, is shown by its thumbnail
  image.addEventListener("error", () => image.setAttribute("src", thumbnail ?? ""), { once: true });
  const target = { href: address, target: "_blank", rel: "noopener" };
  const file = isInside ? fileName(name) : element("a", { ...target, title: name }, fileName(name));
  return element(
    "figure",
    {},
    isInside || thumbnail === null ? image : element("a", target, image),
    element("figcaption", {}, caption, name && " ", name && file),
  );
}
