// The filters and the order of a table, as a form; what it says becomes the page's address.

import { element, place } from "./dom.js";
import { addTexts, number, text } from "./text.js";
import { EVERYTHING, hashOf } from "./view.js";

/**
 * @import {ClassNames} from "./names.js"
 * @import {TableFacts, View} from "./source.js"
 */

/** @type {(keyof View)[]} */
const FILTERS = ["truth", "predicted", "from", "to", "text"];
const TYPING = 250; // milliseconds without a key, after which a text is looked for

addTexts({
  en: {
    result: "Result",
    all: "All",
    any: "Any",
    truth: "True class",
    predicted: "Predicted class",
    confidence: "Confidence",
    from: "Lowest confidence",
    to: "Highest confidence",
    containing: "Text",
    sort: "Order",
    sort_row: "Row",
    sort_confident: "Most confident first",
    sort_unsure: "Least confident first",
    sort_class: "Class",
    clear: "Clear filters",
    shown: "{shown} of {all} images",
    shown_all: "{all} images",
  },
  ja: {
    result: "判定",
    all: "すべて",
    any: "すべて",
    truth: "正解クラス",
    predicted: "予測クラス",
    confidence: "確信度",
    from: "確信度の下限",
    to: "確信度の上限",
    containing: "文字列",
    sort: "並び順",
    sort_row: "行の順",
    sort_confident: "確信度の高い順",
    sort_unsure: "確信度の低い順",
    sort_class: "クラス順",
    clear: "絞り込みを解除",
    shown: "{all} 枚中 {shown} 枚",
    shown_all: "{all} 枚",
  },
});

/**
 * Offer what may be chosen of a table; what it has nothing of is hidden.
 *
 * @param {TableFacts} facts
 * @param {ClassNames} names
 */
export function drawChoices(facts, names) {
  const { elements } = place("filters");
  for (const [name, classes] of Object.entries({ truth: facts.truths, predicted: facts.predictions })) {
    const options = classes.map((index) => element("option", { value: index }, names.full(index)));
    elements[name].replaceChildren(element("option", { value: "" }, text("any")), ...options);
    elements[name].parentElement.hidden = classes.length === 0;
  }
  place("confidence").hidden = !facts.hasConfidences;
  place("unit").hidden = !facts.areProbabilities;
  const hasClasses = facts.truths.length + facts.predictions.length > 0;
  for (const option of elements.sort.options) {
    option.hidden = option.value === "class" ? !hasClasses : option.value !== "row" && !facts.hasConfidences;
  }
  const isJudged = facts.right + facts.wrong > 0;
  /** @type {Record<string, number>} */
  const totals = { "": facts.rows, right: facts.right, wrong: facts.wrong, error: facts.errors };
  for (const input of place("results").querySelectorAll("input")) {
    const total = totals[input.value];
    input.closest("label").hidden = input.value !== "" && total === 0 && (input.value === "error" || !isJudged);
    input.parentElement.querySelector("small").textContent = number(total);
  }
  place("results").hidden = !isJudged && !facts.errors;
}

/**
 * Show which filters and order a view has.
 *
 * @param {View} view
 */
export function drawFilters(view) {
  const { elements } = place("filters");
  for (const name of /** @type {(keyof View)[]} */ ([...FILTERS, "sort"])) elements[name].value = view[name];
  for (const radio of elements.result) radio.checked = radio.value === view.result;
  place("clear").href = hashOf({ ...EVERYTHING, sort: view.sort });
  place("clear").hidden = [...FILTERS, /** @type {const} */ ("result")].every((name) => view[name] === "");
}

/**
 * Say how many rows fit the filters.
 *
 * @param {number} total
 * @param {number} all
 */
export function drawTotal(total, all) {
  place("shown").textContent = text(total === all ? "shown_all" : "shown", { shown: number(total), all: number(all) });
}

/**
 * Have the form ask for another view.
 *
 * @param {(view: View) => void} choose told of a choice, which is an entry in the history
 * @param {(view: View) => void} replace told of what is being typed, which is none
 */
export function listenToFilters(choose, replace) {
  const form = place("filters");
  const asked = () => ({ ...EVERYTHING, ...Object.fromEntries(new FormData(form)) });
  let typing = 0;
  form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
  form.addEventListener("change", () => {
    clearTimeout(typing);
    choose(asked());
  });
  form.elements.text.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => replace(asked()), TYPING);
  });
}
