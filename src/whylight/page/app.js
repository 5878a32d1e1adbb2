// `whylight app`: the table of a folder, and the panel that explains what is selected in it. What is shown is in the
// page's address: a link opens the same row, class, method and layer.

import {
  batchOf,
  cancelBatch,
  meanMap,
  openFolder,
  openModel,
  openTable,
  pause,
  startBatch,
  subjectOfRow,
  subjectOfUpload,
  upload,
  writeReport,
} from "./app_source.js";
import { element, place } from "./dom.js";
import { listenForCamera, listenForImages } from "./given_image.js";
import { bytesOf, drawHeat } from "./heat.js";
import { ClassNames } from "./names.js";
import { FIRST_LOOK, FIRST_QUESTION, Panel } from "./panel.js";
import { Table } from "./table.js";
import { addTexts, listenForLanguages, number, text, writeTexts } from "./text.js";
import { EVERYTHING, hashOf, keepInAddress, keptOf, replaceKept, viewOf } from "./view.js";

/**
 * @import {Folder} from "./app_source.js"
 * @import {ExplainSource, Look, Opened, Question, Row, Subject, TableSource} from "./source.js"
 */

const NO_TABLE = "-";
const BETWEEN_BATCH_LOOKS = 500; // milliseconds
const KEYS = ["app_key_rows", "app_key_layers", "app_key_cover", "app_key_keys"];

keepInAddress("model", "table", "labels", "class", "method", "layer", "against", "alpha", "colors", "upload", "name");

/** @type {Folder} */
let folder;
/** @type {Panel | null} */
let panel = null;
/** @type {ExplainSource | null} */
let source = null;
/** @type {TableSource | null} */
let table = null;
let opening = new AbortController();
const list = new Table({ layout: "rows", open: openRow });

// ---- what the address says

function tableNames() {
  const { table: name = folder.table ?? (folder.hasImages ? "" : NO_TABLE), labels = "" } = keptOf();
  return { table: name, labels };
}

function modelName() {
  return keptOf().model ?? folder.model ?? "";
}

/** @returns {Question} */
function questionOf() {
  const { class: asked = FIRST_QUESTION.class_index, method = "", layer = "", against = "" } = keptOf();
  return { class_index: numberOr(asked), method, layer, against: numberOr(against) };
}

/** @returns {Look} */
function lookOf() {
  const { alpha = FIRST_LOOK.alpha, colors = FIRST_LOOK.colormap } = keptOf();
  return { alpha: Number(alpha), colormap: colors };
}

/** @param {any} value */
function numberOr(value) {
  return /^\d+$/.test(String(value)) ? Number(value) : value;
}

// ---- opening

async function begin() {
  folder = await openFolder();
  drawPickers();
  await openTheModel();
  await openTheTable();
  if (table === null) showUpload();
}

async function openTheModel() {
  const [model, labels] = [modelName(), tableNames().labels];
  panel?.end();
  [panel, source] = [null, null];
  if (model === "") {
    notice(text("app_no_model"));
    return;
  }
  try {
    source = await openModel(model, labels);
  } catch (error) {
    notice(messageOfError(error));
    return;
  }
  notice(source.facts.problem);
  if (source.facts.problem) return;
  panel = new Panel(place("panel-body"), source, { onQuestion: keepQuestion, onLook: keepLook });
  drawMeans();
}

async function openTheTable() {
  opening.abort();
  opening = new AbortController();
  const { signal } = opening;
  const names = tableNames();
  table = null;
  place("table").hidden = true;
  if (names.table === NO_TABLE) return;
  const indexing = place("indexing");
  try {
    table = await openTable(
      names,
      (done, rows) => {
        indexing.hidden = false;
        if (rows) [indexing.max, indexing.value] = [rows, done];
        notice(text("app_indexed", { done: number(done) }));
      },
      signal,
    );
    if (!indexing.hidden) notice("");
  } catch (error) {
    if (!signal.aborted) notice(messageOfError(error));
    return;
  } finally {
    indexing.hidden = true;
  }
  place("table").hidden = false;
  drawMeans();
  await list.show(table);
}

/**
 * Show a row in the panel, or, where none is open, the image that was given.
 *
 * @param {Opened} opened
 */
function openRow({ row }) {
  if (row === null) {
    showUpload();
    return;
  }
  const subject = subjectOfRow(tableNames(), row);
  notice(subject === null ? row.error || text("no_image") : "");
  show(subject, titleOf(row));
}

function showUpload() {
  const { upload: id, name = "" } = keptOf();
  show(id ? subjectOfUpload(id, name) : null, name);
}

/**
 * @param {Subject | null} subject
 * @param {string} title
 */
function show(subject, title) {
  place("panel").hidden = subject === null || panel === null;
  place("work").classList.toggle("explaining", !place("panel").hidden);
  place("panel-title").textContent = title;
  panel?.show(subject, questionOf(), lookOf());
}

/** @param {Row} row */
function titleOf(row) {
  const names = new ClassNames(table?.facts.names ?? []);
  const truth = row.truth === null ? "" : ` · ${text("truth")}: ${names.full(row.truth)}`;
  return `${text("row", { row: number(row.number) })} · ${row.name}${truth}`;
}

// ---- what is chosen

/** @param {Question} question */
function keepQuestion({ class_index, method, layer, against }) {
  const asked = class_index === "predicted" ? "" : String(class_index);
  replaceKept({ class: asked, method, layer, against: String(against) });
}

/** @param {Look} look */
function keepLook({ alpha, colormap }) {
  replaceKept({
    alpha: alpha === FIRST_LOOK.alpha ? "" : String(alpha),
    colors: colormap === FIRST_LOOK.colormap ? "" : colormap,
  });
}

function drawPickers() {
  const form = place("opened");
  /**
   * @param {string} name
   * @param {[string, string][]} choices
   * @param {string} chosen
   */
  const fill = (name, choices, chosen) => {
    const select = form.elements.namedItem(name);
    const known = choices.some(([value]) => value === chosen) ? choices : [...choices, [chosen, chosen]];
    select.replaceChildren(...known.map(([value, label]) => element("option", { value }, label)));
    select.value = chosen;
  };
  /** @param {string[]} paths @returns {[string, string][]} */
  const own = (paths) => paths.map((path) => [path, path]);
  fill("model", folder.models.length ? own(folder.models) : [["", text("app_none")]], modelName());
  const images = /** @type {[string, string][]} */ (folder.hasImages ? [["", text("app_images")]] : []);
  fill("table", [...own(folder.tables), ...images, [NO_TABLE, text("app_none")]], tableNames().table);
  fill("labels", [["", text("app_own_names")], ...own(folder.labels)], tableNames().labels);
  const batch = place("batch-form");
  batch.elements.namedItem("model").value = modelName();
  const { table: name } = tableNames();
  batch.elements.namedItem("input").value = name === NO_TABLE ? "" : name;
}

/** @param {string} said */
function notice(said) {
  place("notice").textContent = said;
}

/** @param {unknown} error */
function messageOfError(error) {
  return error instanceof Error ? error.message : String(error);
}

// ---- an image that is given

/** @param {File} file */
async function give(file) {
  notice(text("app_sending"));
  try {
    const subject = await upload(file);
    notice("");
    replaceKept({ upload: subject.key.upload, name: subject.name, class: "", against: "" });
    history.replaceState(null, "", hashOf({ ...viewOf(), image: 0 }));
    await list.redraw();
    showUpload();
    place("panel").focus();
  } catch (error) {
    notice(messageOfError(error));
  }
}

// ---- the mean map of each class

function drawMeans() {
  place("means").hidden = source === null || table === null || table.facts.truths.length === 0 || panel === null;
  place("means-list").replaceChildren();
}

async function showMeans() {
  if (source === null || table === null) return;
  const names = new ClassNames(table.facts.names);
  const list = place("means-list");
  list.replaceChildren();
  place("means-start").disabled = true;
  try {
    const colors = bytesOf(source.colormaps[lookOf().colormap]);
    for (const truth of table.facts.truths) {
      const { heat, images } = await meanMap(modelName(), tableNames(), truth, questionOf(), opening.signal);
      const said = text("means_of", { name: names.full(truth), images: number(images) });
      const canvas = element("canvas", { width: 96, height: 96, role: "img", "aria-label": said });
      drawHeat(canvas, heat, colors);
      const link = element("a", { href: hashOf({ ...EVERYTHING, truth: String(truth) }) }, canvas, element("span", {}, said));
      list.append(element("li", {}, link));
    }
  } catch (error) {
    if (!opening.signal.aborted) notice(messageOfError(error));
  } finally {
    place("means-start").disabled = false;
  }
}

// ---- a whole table

/** @param {SubmitEvent} event */
async function runBatch(event) {
  event.preventDefault();
  const form = place("batch-form");
  const choices = Object.fromEntries(new FormData(form));
  const { method, layer } = questionOf();
  const said = place("batch-said");
  const [start, cancel, bar] = [form.querySelector("[type=submit]"), place("batch-cancel"), place("batch-progress")];
  place("batch-table").hidden = place("batch-report").hidden = true;
  start.disabled = true;
  try {
    const asked = { ...choices, overwrite: choices.overwrite === "on", layer, ...(method && { method }) };
    let batch = await startBatch(asked);
    cancel.hidden = bar.hidden = false;
    cancel.onclick = () => cancelBatch(batch.batch).catch((error) => (said.textContent = messageOfError(error)));
    while (batch.state === "waiting" || batch.state === "running") {
      if (batch.rows) [bar.max, bar.value] = [batch.rows, batch.done];
      said.textContent = text("batch_running", { done: number(batch.done), rows: number(batch.rows ?? 0) });
      await pause(BETWEEN_BATCH_LOOKS, new AbortController().signal);
      batch = await batchOf(batch.batch);
    }
    said.textContent = text(`batch_${batch.state}`, { done: number(batch.done), message: batch.message });
    if (batch.state === "done") await offerResult(batch.output);
  } catch (error) {
    said.textContent = messageOfError(error);
  } finally {
    start.disabled = false;
    cancel.hidden = bar.hidden = true;
  }
}

/** @param {string} output */
async function offerResult(output) {
  folder = await openFolder();
  drawPickers();
  const open = place("batch-table");
  open.hidden = false;
  open.href = `#${new URLSearchParams({ ...keptOf(), table: output })}`;
  const report = place("batch-report");
  report.hidden = false;
  report.href = "#";
  report.onclick = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      place("batch-said").textContent = text("batch_reported", { name: await writeReport(output) });
    } catch (error) {
      place("batch-said").textContent = messageOfError(error);
    }
  };
}

// ---- events

/** What the address named when it was last looked at. */
let opened = { model: "", names: "" };

function whatIsNamed() {
  const names = tableNames();
  return { model: JSON.stringify([modelName(), names.labels]), names: JSON.stringify(names) };
}

async function follow() {
  const now = whatIsNamed();
  const [isOtherModel, isOtherTable] = [now.model !== opened.model, now.names !== opened.names];
  opened = now;
  if (isOtherModel) await openTheModel();
  if (isOtherTable) await openTheTable();
  if (isOtherModel || isOtherTable) drawPickers();
  if (isOtherModel && !isOtherTable) openRow(list.opened);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.altKey || event.ctrlKey || event.metaKey || target.matches("input, select, textarea")) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) list.move(step);
  if (event.key === "[") panel?.stepLayer(-1);
  if (event.key === "]") panel?.stepLayer(1);
  if (event.key === "?") showKeys();
}

function showKeys() {
  place("keys-list").replaceChildren(
    ...KEYS.map((key) => element("div", {}, element("dt", {}, text(key)), element("dd", {}, text(`${key}_does`)))),
  );
  place("keys").showModal();
}

function listenToAll() {
  for (const name of ["model", "table", "labels"]) {
    place("opened")
      .elements.namedItem(name)
      .addEventListener("change", (/** @type {any} */ event) => {
        const changes = { [name]: event.target.value, class: "", layer: "", against: "" };
        replaceKept(name === "table" ? { ...changes, upload: "", name: "" } : changes);
        if (name === "table") history.replaceState(null, "", hashOf(EVERYTHING));
        follow();
      });
  }
  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", onKey);
  place("keys-open").addEventListener("click", showKeys);
  place("keys-close").addEventListener("click", () => place("keys").close());
  place("batch-form").addEventListener("submit", runBatch);
  place("means-start").addEventListener("click", showMeans);
  listenForImages(place("opened").elements.namedItem("file"), give);
  listenForCamera(give, (error) => notice(messageOfError(error)));
  listenForLanguages(() => {
    drawPickers();
    panel?.redraw();
    list.redraw();
  });
}

addTexts({
  en: {
    app_title: "whylight: where the network looked",
    app_model: "Model",
    app_table: "Dataset",
    app_labels: "Class names",
    app_file: "An image of yours",
    app_camera: "Camera",
    app_take: "Take the picture",
    app_keys: "Keys",
    app_close: "Close",
    app_none: "none",
    app_images: "the folder's images",
    app_own_names: "as the model says",
    app_no_model: "No model in this folder: open a folder with a .nnp, .onnx or .pt2 file.",
    app_indexing: "Reading the table",
    app_indexed: "Reading the table: {done} rows",
    app_sending: "Opening the image …",
    app_footer: "Everything stays on the machine that runs whylight. An image can be dropped anywhere, or pasted.",
    app_key_rows: "← →",
    app_key_rows_does: "the row before, the next row",
    app_key_layers: "[ ]",
    app_key_layers_does: "the layer before, the next layer",
    app_key_cover: "← ↑ → ↓",
    app_key_cover_does: "move what is covered, where a region of the image is",
    app_key_keys: "?",
    app_key_keys_does: "these keys",
    batch_title: "Explain the whole dataset",
    batch_input: "Input",
    batch_input_variable: "Image variable",
    batch_label_variable: "Label variable",
    batch_output: "Output",
    batch_overwrite: "Replace an earlier result",
    batch_start: "Start",
    batch_cancel: "Cancel",
    batch_open: "Open the result",
    batch_report: "Write a report",
    batch_reported: "Written: {name}",
    batch_running: "{done} of {rows} images",
    batch_done: "{done} images are explained. {message}",
    batch_cancelled: "Cancelled after {done} images: the same start goes on.",
    batch_failed: "{message}",
    means_title: "Mean map of each class",
    means_start: "Compute them",
    means_of: "{name} ({images} images)",
  },
  ja: {
    app_title: "whylight: ネットワークが注目した場所",
    app_model: "モデル",
    app_table: "データセット",
    app_labels: "クラス名",
    app_file: "手元の画像",
    app_camera: "カメラ",
    app_take: "撮影する",
    app_keys: "キー操作",
    app_close: "閉じる",
    app_none: "なし",
    app_images: "フォルダ内の画像",
    app_own_names: "モデルのとおり",
    app_no_model: "このフォルダにモデルがありません。.nnp、.onnx、.pt2 のあるフォルダを開いてください。",
    app_indexing: "表を読み込んでいます",
    app_indexed: "表を読み込んでいます: {done} 行",
    app_sending: "画像を開いています…",
    app_footer: "データは whylight を動かしているコンピュータの外に出ません。画像はドロップ、または貼り付けできます。",
    app_key_rows: "← →",
    app_key_rows_does: "前の行、次の行",
    app_key_layers: "[ ]",
    app_key_layers_does: "前の層、次の層",
    app_key_cover: "← ↑ → ↓",
    app_key_cover_does: "画像の一部を隠しているとき、その場所を動かす",
    app_key_keys: "?",
    app_key_keys_does: "この一覧",
    batch_title: "データセット全体を説明する",
    batch_input: "入力",
    batch_input_variable: "画像の変数",
    batch_label_variable: "ラベルの変数",
    batch_output: "出力",
    batch_overwrite: "以前の結果を置き換える",
    batch_start: "開始",
    batch_cancel: "中止",
    batch_open: "結果を開く",
    batch_report: "レポートを書き出す",
    batch_reported: "書き出しました: {name}",
    batch_running: "{rows} 枚中 {done} 枚",
    batch_done: "{done} 枚の画像を説明しました。{message}",
    batch_cancelled: "{done} 枚で中止しました。もう一度開始すると続きから行います。",
    batch_failed: "{message}",
    means_title: "クラスごとの平均マップ",
    means_start: "計算する",
    means_of: "{name}（{images} 枚）",
  },
});

writeTexts();
listenToAll();
begin().then(
  () => (opened = whatIsNamed()),
  (error) => notice(messageOfError(error)),
);
