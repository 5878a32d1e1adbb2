// What is true of all rows: what the overlays explain, the counts, the classes and their confusions.

import { element, place } from "./dom.js";
import { addTexts, number, percent, text } from "./text.js";
import { linkToAll, viewOf } from "./view.js";

/**
 * @import {ClassNames} from "./names.js"
 * @import {TableFacts, View} from "./source.js"
 */

const MATRIX_CLASSES = 40; // more make a list instead of a matrix
const CONFUSIONS = 100;

addTexts({
  en: {
    all_label: "The overlays explain the label of each image",
    all_predicted: "The overlays explain the predicted class of each image",
    all_asked: "The overlays explain the classes that were asked for",
    by_method: "method {method}",
    by_layer: "layer {layer}",
    by_model: "model {model}",
    score_logit: "score before the final activation",
    score_output: "score after the final activation",
    accuracy: "Accuracy",
    agreement: "Labels that are the prediction", // all: they may have been made by the model
    count_rows: "Images",
    count_explained: "Explained",
    count_right: "Right",
    count_wrong: "Wrong",
    count_errors: "Errors",
    matrix: "Confusion matrix",
    matrix_hint: "Select a cell to see its images.",
    class_table: "Classes, least accurate first",
    class_table_hint: "Select a class to see its images.",
    class: "Class",
    confusions: "Most frequent confusions",
    confusion: "{truth} taken for {predicted}",
    no_confusions: "Every prediction is the label.",
    cell: "True class {truth}, predicted class {predicted}: {count}",
  },
  ja: {
    all_label: "重ね合わせ画像は、各画像の正解クラスを説明しています",
    all_predicted: "重ね合わせ画像は、各画像の予測クラスを説明しています",
    all_asked: "重ね合わせ画像は、指定したクラスを説明しています",
    by_method: "手法 {method}",
    by_layer: "層 {layer}",
    by_model: "モデル {model}",
    score_logit: "最後の活性化関数の前のスコア",
    score_output: "最後の活性化関数の後のスコア",
    accuracy: "正解率",
    agreement: "予測と同じラベル",
    count_rows: "画像数",
    count_explained: "説明済み",
    count_right: "正解",
    count_wrong: "不正解",
    count_errors: "エラー",
    matrix: "混同行列",
    matrix_hint: "セルを選ぶと該当する画像を表示します。",
    class_table: "クラス別の正解率（低い順）",
    class_table_hint: "クラスを選ぶと該当する画像を表示します。",
    class: "クラス",
    confusions: "多い誤分類",
    confusion: "{truth} を {predicted} と誤分類",
    no_confusions: "すべての予測がラベルと同じです。",
    cell: "正解クラス {truth}、予測クラス {predicted}: {count} 枚",
  },
});

/**
 * Draw what is true of all rows into the elements `explained`, `counts` and `overview`.
 *
 * @param {TableFacts} facts
 * @param {ClassNames} names
 */
export function drawOverview(facts, names) {
  drawExplained(facts);
  drawCounts(facts);
  place("overview").hidden = facts.right + facts.wrong === 0;
  const classes = [...new Set([...facts.truths, ...facts.predictions])].sort((a, b) => a - b);
  const isMatrix = classes.length <= MATRIX_CLASSES;
  place("overview-title").textContent = text(isMatrix ? "matrix" : "class_table");
  place("overview-hint").textContent = text(isMatrix ? "matrix_hint" : "class_table_hint");
  place("classes").replaceChildren(isMatrix ? matrix(facts, names, classes) : classTable(facts, names));
  place("confusions").replaceChildren(confusionList(facts, names));
}

/**
 * Mark the classes whose rows are shown.
 *
 * @param {View} view
 */
export function markInOverview(view) {
  for (const anchor of place("overview").querySelectorAll("a")) {
    const { truth, predicted } = viewOf(anchor.hash);
    if (truth === view.truth && predicted === view.predicted) anchor.setAttribute("aria-current", "true");
    else anchor.removeAttribute("aria-current");
  }
}

/**
 * A part of one, for the style of an element.
 *
 * @param {number} value
 */
export function shareStyle(value) {
  return `--share: ${value.toFixed(4)}`;
}

/** @param {TableFacts} facts */
function drawExplained({ by }) {
  place("explained").hidden = by === null;
  if (by === null) return;
  const parts = [
    text(`all_${by.origin}`),
    text("by_method", by),
    by.layer && text("by_layer", by),
    by.model && text("by_model", by),
    text(`score_${by.score}`),
  ];
  place("explained").textContent = parts.filter(Boolean).join(" · ");
}

/** @param {TableFacts} facts */
function drawCounts({ rows, explained, right, wrong, errors }) {
  const isJudged = right + wrong > 0;
  /** @type {[string, string, Partial<View> | null][]} */
  const counts = [];
  if (isJudged) counts.push([wrong ? "accuracy" : "agreement", percent(right / (right + wrong)), null]);
  counts.push(["count_rows", number(rows), {}], ["count_explained", number(explained), null]);
  if (isJudged) {
    counts.push(["count_right", number(right), { result: "right" }]);
    counts.push(["count_wrong", number(wrong), wrong > 0 ? { result: "wrong" } : null]);
  }
  if (errors) counts.push(["count_errors", number(errors), { result: "error" }]);
  place("counts").replaceChildren(
    ...counts.map(([key, value, filter]) =>
      element(
        "div",
        { class: key },
        element("dt", {}, text(key)),
        element("dd", {}, filter ? linkToAll(filter, {}, value) : value),
      ),
    ),
  );
}

// ---- classes: the matrix or, for many classes, a list

/**
 * The classes that occur as truth, with how many images they have and how many of these are right.
 *
 * @param {TableFacts} facts
 */
function classCounts(facts) {
  /** @type {Map<number, {index: number, images: number, right: number}>} */
  const counts = new Map();
  for (const [truth, predicted, count] of facts.confusions) {
    const sums = counts.get(truth) ?? { index: truth, images: 0, right: 0 };
    sums.images += count;
    if (truth === predicted) sums.right += count;
    counts.set(truth, sums);
  }
  return counts;
}

/**
 * @param {TableFacts} facts
 * @param {ClassNames} names
 * @param {number[]} classes
 */
function matrix(facts, names, classes) {
  const mistakes = facts.confusions.filter(([truth, predicted]) => truth !== predicted);
  const most = Math.max(1, ...mistakes.map((item) => item[2]));
  const counts = new Map(facts.confusions.map(([truth, predicted, count]) => [`${truth},${predicted}`, count]));
  const totals = classCounts(facts);
  const isShort = classes.every((index) => names.short(index).length <= 3);

  /**
   * @param {number} truth
   * @param {number} predicted
   */
  function cell(truth, predicted) {
    const count = counts.get(`${truth},${predicted}`) ?? 0;
    if (count === 0) return element("td");
    const isRight = truth === predicted;
    const values = { truth: names.full(truth), predicted: names.full(predicted), count: number(count) };
    const label = text("cell", values);
    const share = isRight ? count / (totals.get(truth)?.images ?? 1) : Math.sqrt(count / most);
    return element(
      "td",
      { class: isRight ? "right" : "wrong", style: shareStyle(share) },
      linkToAll({ truth, predicted }, { "aria-label": label, title: label }, number(count)),
    );
  }

  /**
   * @param {"truth" | "predicted"} key
   * @param {number} index
   * @param {string} scope
   */
  function heading(key, index, scope) {
    const name = element("span", {}, names.short(index));
    return element("th", { scope }, linkToAll({ [key]: index }, { title: names.full(index) }, name));
  }

  return element(
    "table",
    {
      class: isShort ? "matrix" : "matrix named",
      "aria-labelledby": "overview-title",
      style: `--classes: ${classes.length}`,
    },
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("td"),
        element("th", { scope: "colgroup", colspan: classes.length }, element("span", {}, text("predicted"))),
      ),
      element(
        "tr",
        {},
        element("th", { class: "axis" }, text("truth")),
        ...classes.map((index) => heading("predicted", index, "col")),
      ),
    ),
    element(
      "tbody",
      {},
      ...classes.map((truth) =>
        element("tr", {}, heading("truth", truth, "row"), ...classes.map((predicted) => cell(truth, predicted))),
      ),
    ),
  );
}

/**
 * @param {TableFacts} facts
 * @param {ClassNames} names
 */
function classTable(facts, names) {
  const classes = [...classCounts(facts).values()].sort(
    (a, b) => a.right / a.images - b.right / b.images || b.images - a.images || a.index - b.index,
  );
  const headings = ["class", "count_rows", "count_right", "accuracy"];
  return element(
    "table",
    { class: "list", "aria-labelledby": "overview-title" },
    element("thead", {}, element("tr", {}, ...headings.map((key) => element("th", { scope: "col" }, text(key))))),
    element(
      "tbody",
      {},
      ...classes.map(({ index, images, right }) =>
        element(
          "tr",
          {},
          element(
            "th",
            { scope: "row" },
            linkToAll({ truth: index }, { title: names.full(index) }, names.short(index)),
          ),
          element("td", {}, number(images)),
          element("td", {}, number(right)),
          element("td", {}, percent(right / images)),
        ),
      ),
    ),
  );
}

/**
 * @param {TableFacts} facts
 * @param {ClassNames} names
 */
function confusionList(facts, names) {
  const confusions = facts.confusions.filter(([truth, predicted]) => truth !== predicted).slice(0, CONFUSIONS);
  if (confusions.length === 0) return element("p", { class: "hint" }, text("no_confusions"));
  const most = confusions[0][2];
  return element(
    "ol",
    { class: "pairs" },
    ...confusions.map(([truth, predicted, count]) =>
      element(
        "li",
        { style: shareStyle(count / most) },
        linkToAll(
          { truth, predicted },
          { title: text("confusion", { truth: names.full(truth), predicted: names.full(predicted) }) },
          element("span", {}, names.short(truth)),
          element("i", {}, "→"),
          element("span", {}, names.short(predicted)),
          element("b", {}, number(count)),
        ),
      ),
    ),
  );
}
