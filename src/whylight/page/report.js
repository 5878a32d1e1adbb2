// The page of a result: it has all rows inside.

import { place } from "./dom.js";
import { ClassNames } from "./names.js";
import { resultOf } from "./row.js";
import { Table } from "./table.js";
import { addTexts, listenForLanguages, writeTexts } from "./text.js";
import { drawViewer, listenToViewer } from "./viewer.js";

/** @import {Row, TableFacts, TableSource, View} from "./source.js" */

const ROWS_A_FOLDER = 1000;
const IMAGE = 1; // bits of a row's thumbnails
const OVERLAY = 2;

addTexts({
  en: { footer: "Made by whylight. The overlays show where the network looked." },
  ja: { footer: "whylight で作成。重ね合わせ画像は、ネットワークが注目した場所を示します。" },
});

/**
 * Rows and facts as `report/page.py` writes them.
 *
 * @typedef {[string | null, string | null, number, number | null, number | null, number | null, number | null, string,
 *   [string | null, string | null]?]} WrittenRow image, overlay, which have thumbnails, true, predicted and explained
 *   class, confidence, error, and, in a page that has the pictures inside, these
 * @typedef {{files: string | null, names: string[], by: TableFacts["by"], explained: number, errors: number,
 *   confusions: [number, number, number][]}} WrittenFacts
 */

/** The rows that the page has inside. */
class RowsInside {
  /**
   * @param {WrittenRow[]} rows
   * @param {WrittenFacts} written
   */
  constructor(rows, written) {
    this.all = rows.map((row, index) => readRow(row, index, written.files));
    this.names = new ClassNames(written.names);
    const confidences = this.all.map((row) => row.confidence).filter((value) => value !== null);
    const right = this.all.filter((row) => resultOf(row) === "right").length;
    /** @type {TableFacts} */
    this.facts = {
      ...written,
      rows: rows.length,
      right,
      wrong: this.all.filter((row) => resultOf(row) !== "").length - right,
      truths: occurring(this.all.map((row) => row.truth)),
      predictions: occurring(this.all.map((row) => row.predicted)),
      hasConfidences: confidences.length > 0,
      areProbabilities: confidences.every((value) => value >= 0 && value <= 1),
      columns: [],
    };
    this.key = "";
    /** @type {Row[]} */
    this.shown = []; // of the view that was asked for last
  }

  /** @type {TableSource["rows"]} */
  async rows(view, start, count) {
    const shown = this.#selected(view);
    return { rows: shown.slice(start, start + count), total: shown.length };
  }

  /** @type {TableSource["row"]} */
  async row(view, number) {
    const shown = this.#selected(view);
    const position = shown.findIndex((row) => row.number === number);
    return {
      row: this.all[number - 1] ?? null,
      before: shown[position - 1]?.number ?? 0,
      after: position < 0 ? 0 : (shown[position + 1]?.number ?? 0),
    };
  }

  /**
   * @param {View} view
   * @returns {Row[]} in the view's order
   */
  #selected(view) {
    const key = JSON.stringify({ ...view, page: 1, image: 0 });
    if (key === this.key) return this.shown;
    const unit = this.facts.areProbabilities ? 100 : 1; // of what is typed into the filter
    const [truth, predicted] = [view.truth, view.predicted].map((value) => (value === "" ? null : Number(value)));
    const [from, to] = [view.from, view.to].map((value) => (value === "" ? null : Number(value) / unit));
    const wanted = folded(view.text);
    this.key = key;
    this.shown = this.all
      .filter(
        (row) =>
          (view.result === "" || (view.result === "error" ? row.error !== "" : resultOf(row) === view.result)) &&
          (truth === null || row.truth === truth) &&
          (predicted === null || row.predicted === predicted) &&
          (from === null || (row.confidence !== null && row.confidence >= from)) &&
          (to === null || (row.confidence !== null && row.confidence <= to)) &&
          (wanted === "" || this.#texts(row).some((text) => folded(text).includes(wanted))),
      )
      .sort(orders[view.sort]);
    return this.shown;
  }

  /** @param {Row} row */
  #texts({ name, overlayName, error, truth, predicted }) {
    const classes = [truth, predicted].filter((index) => index !== null);
    return [name, overlayName, error, ...classes.map((index) => this.names.full(index))];
  }
}

/** @type {Record<string, (a: Row, b: Row) => number>} */
const orders = {
  row: () => 0,
  confident: (a, b) => (b.confidence ?? -Infinity) - (a.confidence ?? -Infinity) || 0,
  unsure: (a, b) => (a.confidence ?? Infinity) - (b.confidence ?? Infinity) || 0,
  class: (a, b) => (a.truth ?? a.predicted ?? Infinity) - (b.truth ?? b.predicted ?? Infinity) || 0,
};

/**
 * A text in which letters are the same that mean the same: large and small, wide and narrow, composed or not.
 *
 * @param {string} given
 */
function folded(given) {
  return given.normalize("NFKC").toLowerCase();
}

/**
 * The path that a link means; the link itself where its bytes are no text.
 *
 * @param {string} link
 */
function decoded(link) {
  try {
    return decodeURIComponent(link);
  } catch {
    return link;
  }
}

/** @param {(number | null)[]} classes */
function occurring(classes) {
  return [...new Set(classes)].filter((index) => index !== null).sort((a, b) => a - b);
}

/**
 * @param {WrittenRow} written
 * @param {number} index
 * @param {string | null} files the folder of the thumbnails
 * @returns {Row}
 */
function readRow(written, index, files) {
  const [image, overlay, thumbnails, truth, predicted, explained, confidence, error, copies] = written;
  const folder = `${files}/${String(Math.floor(index / ROWS_A_FOLDER)).padStart(4, "0")}`;
  const places = copies ?? [`${folder}/${index}.webp`, `${folder}/${index}_overlay.webp`];
  const [hasImage, hasOverlay] = [(thumbnails & IMAGE) !== 0, (thumbnails & OVERLAY) !== 0];
  /** @type {("image" | "overlay")[]} */
  const leftOut = [];
  if (hasImage && places[0] === null) leftOut.push("image");
  if (hasOverlay && places[1] === null) leftOut.push("overlay");
  return {
    number: index + 1,
    image: copies && image !== null ? places[0] : image,
    overlay: copies && overlay !== null ? places[1] : overlay,
    name: image === null ? "" : decoded(image),
    overlayName: overlay === null ? "" : decoded(overlay),
    thumbnail: hasImage ? places[0] : null,
    overlayThumbnail: hasOverlay ? places[1] : null,
    leftOut,
    truth,
    predicted,
    explained,
    confidence,
    error,
    cells: [],
  };
}

const source = new RowsInside(JSON.parse(place("rows").textContent), JSON.parse(place("facts").textContent));
const table = new Table({
  layout: "cards",
  open: (opened, names) => drawViewer(opened, names, source.facts),
});
listenToViewer(table);
listenForLanguages(() => table.redraw());
writeTexts();
table.show(source);
