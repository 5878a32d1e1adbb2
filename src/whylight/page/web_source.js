// Explanations that the page computes itself: no server is asked, and no image leaves the machine.

import { extremes, largestPlace, runExplainer, stretchedMap } from "./explainer.js";
import { coveredPixels } from "./preparation.js";
import { openExplainer } from "./runtime.js";
import { addTexts, text } from "./text.js";

/**
 * @typedef {import("./explainer.js").ExplainerFacts} ExplainerFacts
 * @typedef {import("./explainer.js").RunResult} RunResult
 * @typedef {import("./preparation.js").Pixels} Pixels
 * @typedef {import("./source.js").Answer} Answer
 * @typedef {import("./source.js").ExplainSource} ExplainSource
 * @typedef {import("./source.js").Guess} Guess
 * @typedef {import("./source.js").ModelFacts} ModelFacts
 * @typedef {import("./source.js").Subject} Subject
 */

/**
 * @typedef {object} PageFacts what the page knows of its explainer
 * @property {ExplainerFacts} explainer
 * @property {ModelFacts} model
 * @property {string[]} signed the methods whose values below zero speak against a class
 * @property {Record<string, string>} colormaps
 * @property {import("./runtime.js").PageParts} parts
 * @property {{name: string, part: string}[]} images
 */

const MOST_PROBABLE = 5;
const PREDICTED = -1;
const START_OF_JPEG = 0xffd8;
const EXIF = 0xffe1;
const SCAN = 0xffda;

/**
 * What explains images in this page. The explainer is opened at once, and waited for when it is first asked.
 *
 * @param {PageFacts} page
 * @param {(device: string, threads: number) => void} onOpen
 * @returns {ExplainSource & {opened: Promise<void>}}
 */
export function webSource(page, onOpen) {
  const facts = page.explainer;
  let opening = openExplainer(page.parts);
  const opened = opening.then(({ device, threads }) => onOpen(device, threads));
  /** @type {Promise<unknown>} */
  let running = opened.catch(() => undefined);
  /** @type {WeakMap<Pixels, Map<number, RunResult>>} */
  const known = new WeakMap();

  /**
   * One run at a time, in the order that they are asked for; those that nobody waits for any more are left out.
   *
   * @param {Pixels} pixels
   * @param {number} classIndex
   * @param {AbortSignal} signal
   * @returns {Promise<RunResult>}
   */
  function run(pixels, classIndex, signal) {
    const work = running.then(async () => {
      signal.throwIfAborted();
      const { ort, session, device } = await opening;
      try {
        return await runExplainer(ort, session, facts, pixels, classIndex);
      } catch (error) {
        if (device !== "webgpu") throw error;
        opening = openExplainer(page.parts, true);
        const other = await opening;
        onOpen(other.device, other.threads);
        return runExplainer(other.ort, other.session, facts, pixels, classIndex);
      }
    });
    running = work.catch(() => undefined);
    return work;
  }

  return {
    facts: page.model,
    colormaps: page.colormaps,
    save: null,
    file: null,
    opened,
    explain: async (subject, question, signal) => {
      const started = performance.now();
      const classIndex = question.class_index === "predicted" ? PREDICTED : classCalled(question.class_index, facts);
      const results = known.get(subject.key) ?? new Map();
      known.set(subject.key, results);
      // one run gives the maps of all methods and layers
      const result = results.get(classIndex) ?? (await run(subject.key, classIndex, signal));
      results.set(classIndex, result).set(result.class_index, result);
      return answerOf(result, page, question, (performance.now() - started) / 1000);
    },
    cover: async (subject, rectangle, classes, signal) => {
      const { probabilities } = await run(coveredPixels(subject.key, rectangle), PREDICTED, signal);
      return classes.map((index) => guessOf(index, probabilities, facts));
    },
  };
}

/**
 * An image to explain, decoded.
 *
 * @param {Blob} file
 * @param {string} name
 * @param {ExplainerFacts} facts
 * @returns {Promise<Subject>}
 */
export async function subjectOf(file, name, facts) {
  const blob = facts.input.exif_orientation ? file : await withoutOrientation(file);
  const bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" }).catch(() => {
    throw new Error(text("web_no_image", { name }));
  });
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (canvas === null) throw new Error(text("web_no_image", { name }));
  canvas.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = canvas.getImageData(0, 0, width, height);
  return { name, address: URL.createObjectURL(blob), key: { data, width, height } };
}

/**
 * @param {RunResult} result
 * @param {PageFacts} page
 * @param {import("./source.js").Question} question
 * @param {number} seconds
 * @returns {Answer}
 */
function answerOf(result, page, question, seconds) {
  const facts = page.explainer;
  const { class_index, score, probabilities } = result;
  const method = question.method || page.model.method;
  const found = facts.maps.findIndex((map) => map.method === method && map.layer === question.layer);
  const place = found >= 0 ? found : facts.maps.findIndex((map) => map.method === method);
  if (place < 0) throw new Error(text("web_no_map", { method }));
  const { layer, crop } = facts.maps[place];
  const { rows, columns, values } = result.maps[place];
  const isSigned = page.signed.includes(method);
  const own = probabilities[class_index];
  return {
    ...guessOf(class_index, probabilities, facts),
    score,
    predicted: largestPlace(probabilities),
    rank: 1 + probabilities.reduce((count, probability) => count + Number(probability > own), 0),
    top: mostProbable(probabilities).map((index) => guessOf(index, probabilities, facts)),
    method,
    layer,
    heat: { rows, columns, values: stretchedMap(values, isSigned), crop },
    seconds,
    notes: notesOf(values, isSigned),
    command: "",
  };
}

/**
 * @param {number} index
 * @param {Float32Array} probabilities
 * @param {ExplainerFacts} facts
 * @returns {Guess}
 */
function guessOf(index, probabilities, facts) {
  return { class_index: index, class_name: facts.class_names[index] || null, probability: probabilities[index] };
}

/**
 * Of equal ones the first.
 *
 * @param {Float32Array} probabilities
 */
function mostProbable(probabilities) {
  return Array.from(probabilities.keys())
    .sort((one, other) => probabilities[other] - probabilities[one] || one - other)
    .slice(0, MOST_PROBABLE);
}

/**
 * What a person should know of a map that shows nothing, as in running/explainer.py.
 *
 * @param {Float32Array} values
 * @param {boolean} isSigned
 */
function notesOf(values, isSigned) {
  if (!values.every(Number.isFinite)) return [text("web_not_finite")];
  const [low, high] = extremes(values);
  const shown = isSigned ? Math.max(low, 0) === Math.max(high, 0) : low === high;
  if (!shown) return [];
  return [text(low === 0 && high === 0 ? "web_zero" : high <= 0 ? "web_against" : "web_same")];
}

/**
 * A class by its number or name, as in class_names/lookup.py: capitals do not count, nor what stands between words; each
 * part between commas is a synonym.
 *
 * @param {number | string} reference
 * @param {ExplainerFacts} facts
 * @returns {number}
 */
export function classCalled(reference, { class_names: names, class_count: count }) {
  if (typeof reference === "number") {
    if (reference < 0 || reference >= count) throw new Error(text("web_out_of_range", { reference, last: count - 1 }));
    return reference;
  }
  const plain = (/** @type {string} */ name) => name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  const wanted = plain(reference);
  /** @param {(name: string) => boolean} fits */
  const fitting = (fits) => [...names.keys()].filter((index) => wanted !== "" && fits(names[index]));
  const whole = fitting((name) => plain(name) === wanted);
  const found = whole.length ? whole : fitting((name) => name.split(",").map(plain).includes(wanted));
  if (found.length !== 1) throw new Error(text(found.length ? "web_several" : "web_no_class", { reference }));
  return found[0];
}

/**
 * A JPEG file without what says how it is turned: a model may want photographs as they are stored.
 *
 * @param {Blob} file
 * @returns {Promise<Blob>}
 */
async function withoutOrientation(file) {
  const content = await file.arrayBuffer();
  const view = new DataView(content);
  if (content.byteLength < 4 || view.getUint16(0) !== START_OF_JPEG) return file;
  const kept = [content.slice(0, 2)];
  let at = 2;
  while (at + 4 <= content.byteLength && view.getUint16(at) !== SCAN) {
    const end = at + 2 + view.getUint16(at + 2);
    if (view.getUint16(at) !== EXIF) kept.push(content.slice(at, end));
    at = end;
  }
  return new Blob([...kept, content.slice(at)], { type: "image/jpeg" });
}

addTexts({
  en: {
    web_against: "The map is zero everywhere: all that it looks at speaks against the class; another class may show more",
    web_no_class: "No class '{reference}': expected a number or a class's name",
    web_no_image: "{name}: not an image that this browser reads",
    web_no_map: "The page has no map of method '{method}'",
    web_not_finite: "The map holds NaN or infinite values",
    web_out_of_range: "Class {reference} is out of range: the model has classes 0 to {last}",
    web_same: "The map is the same everywhere: another layer or method may show more",
    web_several: "Several classes are called '{reference}': expected one of their numbers",
    web_zero: "The map is zero everywhere: another layer, method or class may show more",
  },
  ja: {
    web_against: "マップはどこもゼロです。見ているものはすべてこのクラスに反するもので、別のクラスならもっと見えるかもしれません",
    web_no_class: "クラス「{reference}」はありません。番号かクラス名を入れてください",
    web_no_image: "{name}: このブラウザーでは画像として読めません",
    web_no_map: "このページに手法「{method}」のマップはありません",
    web_not_finite: "マップに NaN か無限大の値があります",
    web_out_of_range: "クラス {reference} は範囲外です。モデルのクラスは 0 から {last} までです",
    web_same: "マップはどこも同じ値です。別の層か手法ならもっと見えるかもしれません",
    web_several: "「{reference}」というクラスがいくつもあります。番号で選んでください",
    web_zero: "マップはどこもゼロです。別の層、手法、クラスならもっと見えるかもしれません",
  },
});
