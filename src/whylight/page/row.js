// What is said of a row, wherever it is shown.

import { element } from "./dom.js";
import { addTexts, number, percent, text } from "./text.js";

/**
 * @import {ClassNames} from "./names.js"
 * @import {Row, TableFacts} from "./source.js"
 */

addTexts({
  en: {
    row: "Row {row}",
    right: "Right",
    wrong: "Wrong",
    error: "Errors",
    image: "Image",
    overlay: "Overlay",
    no_image: "No image",
    no_overlay: "No overlay",
    left_out: "Left out for size",
    origin_label: "the label",
    origin_predicted: "predicted",
    origin_asked: "asked for",
  },
  ja: {
    row: "{row} 行目",
    right: "正解",
    wrong: "不正解",
    error: "エラー",
    image: "画像",
    overlay: "重ね合わせ",
    no_image: "画像なし",
    no_overlay: "重ね合わせなし",
    left_out: "容量のため省略",
    origin_label: "正解クラス",
    origin_predicted: "予測クラス",
    origin_asked: "指定したクラス",
  },
});

/**
 * Whether the prediction is the label.
 *
 * @param {Row} row
 * @returns {"right" | "wrong" | ""} "" where one of them is not known
 */
export function resultOf({ truth, predicted }) {
  if (truth === null || predicted === null) return "";
  return truth === predicted ? "right" : "wrong";
}

/**
 * A sign of an error, or of the result; null where there is nothing to say.
 *
 * @param {{error: string, result: string}} judged
 */
export function mark({ error, result }) {
  if (error) return element("b", { class: "mark", role: "img", "aria-label": text("error") }, "!");
  if (result === "") return null;
  return element("b", { class: "mark", role: "img", "aria-label": text(result) }, result === "right" ? "✓" : "✕");
}

/**
 * @param {Row} row
 * @param {TableFacts} facts
 * @returns {string} "" where it is not known
 */
export function confidenceOf(row, facts) {
  if (row.confidence === null) return "";
  return facts.areProbabilities ? percent(row.confidence) : number(row.confidence);
}

/**
 * The class that the overlay explains, and whether it is the label or the predicted one.
 *
 * @param {Row & {explained: number}} row
 * @param {ClassNames} names
 */
export function explainedClass(row, names) {
  const origins = [row.explained === row.truth && "label", row.explained === row.predicted && "predicted"];
  const found = origins.filter(Boolean);
  const said = (found.length ? found : ["asked"]).map((origin) => text(`origin_${origin}`));
  return `${names.full(row.explained)} (${said.join(", ")})`;
}

/** @param {string} path */
export function fileName(path) {
  return path.split("/").at(-1) ?? path;
}

/**
 * The image of a row, its overlay, or what is said in its place.
 *
 * @param {Row} row
 * @param {"image" | "overlay"} kind
 * @param {string | null} address null where there is no such picture
 * @param {Record<string, any>} attributes
 * @returns {HTMLElement}
 */
export function picture(row, kind, address, attributes = {}) {
  if (address === null) {
    return element("span", { class: "missing" }, text(row.leftOut?.includes(kind) ? "left_out" : `no_${kind}`));
  }
  const alt = kind === "image" ? `${text("image")}: ${fileName(row.name)}` : text("overlay");
  return element("img", { src: address, alt, ...attributes });
}
