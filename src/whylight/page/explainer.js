// A compiled explainer, run by ONNX Runtime Web: an image and a class in, scores and maps out. In a page and in Node.

import { preparedInput } from "./preparation.js";

/**
 * @typedef {object} MapFacts
 * @property {string} output its name among the graph's outputs
 * @property {string} method
 * @property {string} layer "" for a method that looks at no layer
 * @property {[number, number, number, number]} crop top, left, bottom and right of the part of the image it covers
 */

/**
 * @typedef {object} ExplainerFacts what a compiled file says of itself: see docs/explainer.md
 * @property {MapFacts[]} maps
 * @property {import("./preparation.js").InputFacts} input
 * @property {string} output
 * @property {string | null} final_activation
 * @property {number} class_count
 * @property {boolean} is_two_class
 * @property {string[]} class_names
 * @property {string} model
 */

/**
 * @typedef {object} RunResult
 * @property {number} class_index the explained class
 * @property {number} score
 * @property {Float32Array} probabilities of all classes
 * @property {{rows: number, columns: number, values: Float32Array}[]} maps of each of `facts.maps`, not stretched
 */

/**
 * Run an explainer once, for an image and a class.
 *
 * @param {any} ort the module of ONNX Runtime Web
 * @param {any} session
 * @param {ExplainerFacts} facts
 * @param {import("./preparation.js").Pixels} image of any size
 * @param {number} classIndex -1 for the class that the model predicts
 * @returns {Promise<RunResult>}
 */
export async function runExplainer(ort, session, facts, image, classIndex) {
  const outputs = await session.run(feedsOf(ort, session, facts, image, classIndex));
  const count = facts.is_two_class ? 1 : facts.class_count;
  const probabilities = probabilitiesOf(outputs[facts.output].data.subarray(0, count), facts);
  return {
    class_index: classIndex < 0 ? largestPlace(probabilities) : classIndex,
    score: outputs.score.data[0],
    probabilities,
    maps: facts.maps.map(({ output }) => {
      const [, rows, columns] = outputs[output].dims;
      return { rows, columns, values: outputs[output].data.subarray(0, rows * columns) };
    }),
  };
}

/**
 * What the graph takes: the image and the class, as often as its batch holds, where that has just one size, and zeros for
 * inputs that the explained part of the network does not use.
 *
 * @param {any} ort
 * @param {any} session
 * @param {ExplainerFacts} facts
 * @param {import("./preparation.js").Pixels} image
 * @param {number} classIndex
 */
function feedsOf(ort, session, facts, image, classIndex) {
  const { values, shape } = preparedInput(image, facts.input);
  /** @type {Record<string, any>} */
  const feeds = {};
  for (const { name, type, shape: extents } of session.inputMetadata) {
    const size = typeof extents[0] === "number" && extents[0] > 0 ? extents[0] : 1;
    if (name === facts.input.name) {
      const batch = new Float32Array(size * values.length);
      for (let i = 0; i < size; i++) batch.set(values, i * values.length);
      feeds[name] = new ort.Tensor("float32", batch, [size, ...shape]);
    } else if (name === "class_index") {
      feeds[name] = new ort.Tensor("int64", new BigInt64Array(size).fill(BigInt(classIndex)), [size]);
    } else {
      const known = extents.map((/** @type {any} */ extent) => (typeof extent === "number" ? Math.max(extent, 1) : 1));
      const number = known.reduce((/** @type {number} */ all, /** @type {number} */ extent) => all * extent, 1);
      feeds[name] = new ort.Tensor(type, type === "int64" ? new BigInt64Array(number) : new Float32Array(number), known);
    }
  }
  return feeds;
}

/**
 * All classes' probabilities of the model's output, as in running/explainer_graph.py.
 *
 * @param {Float32Array} output
 * @param {ExplainerFacts} facts
 * @returns {Float32Array}
 */
function probabilitiesOf(output, facts) {
  if (facts.final_activation === "LogSoftmax") return output.map(Math.exp);
  if (facts.final_activation === "Sigmoid" && facts.is_two_class) return Float32Array.of(1 - output[0], output[0]);
  if (facts.final_activation !== null || facts.class_count === 1) return output;
  const largest = output.reduce((one, other) => Math.max(one, other), -Infinity);
  const shares = output.map((value) => Math.exp(value - largest));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}

/**
 * A map stretched to [0, 1], as in running/maps.py: one that is the same everywhere keeps its value, cut to that range.
 *
 * @param {Float32Array} values
 * @param {boolean} isSigned whether values below zero speak against the class; they count as zero
 * @returns {Float32Array}
 */
export function stretchedMap(values, isSigned) {
  const shown = values.map((value) => (Number.isNaN(value) ? 0 : isSigned ? Math.max(value, 0) : value));
  const [low, high] = extremes(shown);
  if (low === high) return shown.map((value) => Math.min(Math.max(value, 0), 1));
  return shown.map((value) => (value - low) / (high - low));
}

/**
 * The lowest and the highest value; a spread of thousands of arguments would be too many for a call.
 *
 * @param {Float32Array} values
 */
export function extremes(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/**
 * The place of the largest value, of equal ones the first.
 *
 * @param {Float32Array} values
 */
export function largestPlace(values) {
  return values.reduce((best, value, place) => (value > values[best] ? place : best), 0);
}
