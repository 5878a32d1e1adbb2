// A server's answers: `whylight app` reads tables, runs models and writes files; see /docs for each of its calls.

import { floatsOf } from "./heat.js";

/**
 * @import {Answer, ExplainSource, Guess, ModelFacts, Question, Row, Subject, TableFacts, TableSource, View} from "./source.js"
 */

/**
 * @typedef {object} Folder
 * @property {string} name
 * @property {string[]} models
 * @property {string[]} tables
 * @property {string[]} labels
 * @property {boolean} hasImages whether the folder itself can be opened as a dataset
 * @property {string | null} model what to begin with
 * @property {string | null} table
 * @property {string} version
 */

/**
 * @typedef {object} Batch
 * @property {string} batch
 * @property {"waiting" | "running" | "done" | "cancelled" | "failed"} state
 * @property {number} done
 * @property {number | null} rows
 * @property {string} message
 * @property {string} output
 */

/**
 * Ask the server.
 *
 * @param {string} path
 * @param {{body?: any, values?: Record<string, any>, signal?: AbortSignal}} what a body makes it a POST
 * @returns {Promise<Response>}
 * @throws {Error} with the server's one line
 */
export async function ask(path, { body, values = {}, signal } = {}) {
  const isBinary = body instanceof Blob;
  const response = await fetch(addressOf(path, values), {
    method: body === undefined ? "GET" : "POST",
    headers: body === undefined ? {} : { "Content-Type": isBinary ? "application/octet-stream" : "application/json" },
    body: body === undefined || isBinary ? body : JSON.stringify(body),
    signal,
  });
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  throw new Error(said?.error ?? `${response.status} ${response.statusText}`);
}

/**
 * As `ask`, of what is JSON: its names as JavaScript writes them.
 *
 * @param {string} path
 * @param {{body?: any, values?: Record<string, any>, signal?: AbortSignal}} what
 * @returns {Promise<any>}
 */
export async function askJson(path, what = {}) {
  return camel(await (await ask(path, what)).json());
}

/**
 * @param {string} path
 * @param {Record<string, any>} values those that are "" or null are left out
 */
export function addressOf(path, values = {}) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : path;
}

/**
 * The keys of objects, `class_names`, as JavaScript writes them, `classNames`: of those of our own, not of names within.
 *
 * @param {any} value
 * @returns {any}
 */
function camel(value) {
  if (Array.isArray(value)) return value.map(camel);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase()),
      key === "colormaps" ? one : camel(one),
    ]),
  );
}

/** @returns {Promise<Folder>} */
export function openFolder() {
  return askJson("/api/folder");
}

const BETWEEN_LOOKS = 300; // milliseconds

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    setTimeout(resolve, milliseconds);
  });
}

/**
 * A table that the server reads; the first time that takes a moment.
 *
 * @param {Record<string, string>} names of `table`, `labels`, `input_variable`, `label_variable`; "" for the usual ones
 * @param {(done: number, rows: number | null) => void} onProgress
 * @param {AbortSignal} signal
 * @returns {Promise<TableSource>}
 */
export async function openTable(names, onProgress, signal) {
  /** @type {TableFacts} */
  let facts;
  for (;;) {
    const response = await ask("/api/table", { values: names, signal });
    const found = camel(await response.json());
    if (response.status !== 202) {
      facts = found;
      break;
    }
    onProgress(found.done, found.rows);
    await pause(BETWEEN_LOOKS, signal);
  }
  /** @param {View} view */
  const filter = ({ page, image, ...view }) => ({ ...names, ...view });
  return {
    facts,
    rows: (view, start, count) => askJson("/api/rows", { values: { ...filter(view), start, count }, signal }),
    row: (view, number) => askJson("/api/row", { values: { ...filter(view), number }, signal }),
  };
}

/**
 * The image of a table's row, to be explained.
 *
 * @param {Record<string, string>} names of the table
 * @param {Row} row
 * @returns {Subject | null} null where the row has no image
 */
export function subjectOfRow(names, row) {
  if (row.image === null) return null;
  return { name: row.name, address: row.image, key: { ...names, row: row.number } };
}

/**
 * Give an image to the server.
 *
 * @param {File | Blob} file
 * @returns {Promise<Subject>}
 */
export async function upload(file) {
  const name = file instanceof File ? file.name : "";
  const found = await askJson("/api/upload", { body: file.slice(), values: { name } });
  return subjectOfUpload(found.upload, found.name);
}

/**
 * @param {string} id
 * @param {string} name
 * @returns {Subject}
 */
export function subjectOfUpload(id, name) {
  return { name, address: addressOf("/api/image", { upload: id }), key: { upload: id } };
}

/**
 * A model that the server runs.
 *
 * @param {string} model
 * @param {string} labels
 * @returns {Promise<ExplainSource>}
 */
export async function openModel(model, labels) {
  const { colormaps, ...facts } = await askJson("/api/model", { values: { model, labels } });
  /**
   * @param {Subject} subject
   * @param {Question} question
   */
  const asked = (subject, question) => ({
    model,
    labels,
    image: subject.key,
    class_index: question.class_index,
    method: question.method || facts.method,
    layer: question.layer,
    against: question.against,
  });
  return {
    facts: /** @type {ModelFacts} */ (facts),
    colormaps,
    explain: async (subject, question, signal) => {
      const answer = await (await ask("/api/explain", { body: asked(subject, question), signal })).json();
      const { map, crop, ...rest } = answer;
      return /** @type {Answer} */ ({ ...rest, heat: { ...map, values: floatsOf(map.values), crop } });
    },
    cover: async (subject, { left, top, right, bottom }, classes, signal) => {
      const rectangle = [left, top, right, bottom];
      const body = { model, labels, image: subject.key, rectangle, classes };
      const found = await (await ask("/api/cover", { body, signal })).json();
      return /** @type {Guess[]} */ (found.probabilities);
    },
    save: async (subject, question, look, output) => {
      const found = await askJson("/api/save", { body: { ...asked(subject, question), ...look, output } });
      return found.output;
    },
    file: async (subject, question, look, format) => {
      return (await ask("/api/file", { body: { ...asked(subject, question), ...look, format } })).blob();
    },
  };
}

/**
 * The mean map of a class.
 *
 * @param {string} model
 * @param {Record<string, string>} names of the table
 * @param {number} truth
 * @param {Question} question
 * @param {AbortSignal} signal
 * @returns {Promise<{heat: import("./source.js").Heat, images: number}>}
 */
export async function meanMap(model, names, truth, question, signal) {
  const { method, layer } = question;
  const body = { model, ...names, truth, layer, ...(method && { method }) };
  const { map, crop, images } = await (await ask("/api/mean", { body, signal })).json();
  return { heat: { ...map, values: floatsOf(map.values), crop }, images };
}

/**
 * Explain a whole table; one that was stopped goes on.
 *
 * @param {Record<string, any>} choices model, input, output, input_variable, label_variable, method, layer, overwrite
 * @returns {Promise<Batch>}
 */
export function startBatch(choices) {
  return askJson("/api/batch", { body: choices });
}

/**
 * @param {string} id
 * @returns {Promise<Batch>}
 */
export function batchOf(id) {
  return askJson(`/api/batch/${encodeURIComponent(id)}`);
}

/**
 * @param {string} id
 * @returns {Promise<Batch>}
 */
export function cancelBatch(id) {
  return askJson(`/api/batch/${encodeURIComponent(id)}/cancel`, { body: {} });
}

/**
 * Write the page about a result.
 *
 * @param {string} table
 * @returns {Promise<string>} where it is
 */
export async function writeReport(table) {
  return (await askJson("/api/report", { body: { table } })).output;
}
