// The explanation panel: one image, where the network looked, and what may be asked about it. It asks an ExplainSource,
// and draws; what it shows is in `question` and `look`, which whoever shows it keeps in the page's address.

import { element } from "./dom.js";
import { bytesOf, drawHeat, drawScale, heatAt, npyOf, pngOf } from "./heat.js";
import { addTexts, number, percent, text } from "./text.js";

/**
 * @typedef {import("./source.js").Answer} Answer
 * @typedef {import("./source.js").ExplainSource} ExplainSource
 * @typedef {import("./source.js").Guess} Guess
 * @typedef {import("./source.js").Look} Look
 * @typedef {import("./source.js").Question} Question
 * @typedef {import("./source.js").Rectangle} Rectangle
 * @typedef {import("./source.js").Subject} Subject
 */

/** @type {Question} */
export const FIRST_QUESTION = { class_index: "predicted", method: "", layer: "", against: "" };
/** @type {Look} */
export const FIRST_LOOK = { alpha: 0.5, colormap: "jet" };

const LARGEST = 1024; // pixels of the drawn map along an edge; it is enlarged by the browser
const SMALL = 160; // of those that are kept beside
const STEP = 0.05; // of the image, by which arrow keys move what is covered
const SETTLED = 60; // milliseconds without another wish, before it is asked

/**
 * @typedef {object} Changes what a person has chosen
 * @property {(question: Question) => void} onQuestion
 * @property {(look: Look) => void} onLook
 */

export class Panel {
  /**
   * @param {HTMLElement} root
   * @param {ExplainSource} source
   * @param {Changes} changes
   */
  constructor(root, source, changes) {
    this.root = root;
    this.source = source;
    this.changes = changes;
    this.question = { ...FIRST_QUESTION };
    this.look = { ...FIRST_LOOK };
    /** @type {Subject | null} */
    this.subject = null;
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {Map<number, number>} */
    this.covered = new Map(); // probabilities by class, where something is covered
    /** @type {Rectangle | null} */
    this.rectangle = null;
    this.isCovering = false;
    /** @type {{subject: Subject, answer: Answer}[]} */
    this.kept = [];
    this.asking = new AbortController();
    this.parts = this.#build();
    this.redraw();
  }

  /**
   * Show an image, and ask the question about it.
   *
   * @param {Subject | null} subject
   * @param {Question} question
   * @param {Look} look
   */
  show(subject, question, look) {
    const isOther = subject?.address !== this.subject?.address;
    const isSame = !isOther && JSON.stringify(question) === JSON.stringify(this.question) && this.answer !== null;
    this.subject = subject;
    this.question = { ...question };
    this.look = { ...look };
    if (isOther) {
      this.answer = null;
      this.#uncover();
      this.parts.image.src = subject ? subject.address : "";
      this.parts.image.alt = subject ? subject.name : "";
    }
    this.redraw();
    if (!isSame) this.#ask();
  }

  /** Forget the answer of a source that is no more. */
  end() {
    this.asking.abort();
    this.root.replaceChildren();
  }

  /**
   * Choose the layer before or after the one that is shown.
   *
   * @param {number} step
   */
  stepLayer(step) {
    const layers = this.source.facts.layers;
    const name = this.question.layer || this.answer?.layer || "";
    const index = layers.findIndex((layer) => layer.name === name) + step;
    if (layers[index]) this.#wish({ layer: layers[index].name });
  }

  /** Draw all again, such as in another language. */
  redraw() {
    this.root.hidden = this.subject === null;
    this.#drawLabels();
    this.#drawChoices();
    this.#drawMap();
    this.#drawGuesses();
    this.#drawKept();
  }

  // ---- asking

  /** @param {Partial<Question>} wish */
  #wish(wish) {
    this.question = { ...this.question, ...wish };
    this.changes.onQuestion(this.question);
    this.redraw();
    this.#ask();
  }

  async #ask() {
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    const { subject, question } = this;
    if (subject === null) return;
    this.#say(text("panel_asking"), "asking");
    await new Promise((resolve) => setTimeout(resolve, SETTLED));
    if (signal.aborted) return;
    try {
      const answer = await this.source.explain(subject, question, signal);
      if (signal.aborted) return;
      this.answer = answer;
      const seconds = number(Math.round(answer.seconds * 1000) / 1000);
      this.#say([text("panel_took", { seconds }), ...answer.notes].join(" · "), answer.notes.length ? "noted" : "");
    } catch (error) {
      if (signal.aborted) return;
      this.answer = null;
      this.#say(messageOf(error), "failed");
    }
    this.redraw();
  }

  async #cover() {
    const { subject, answer, rectangle } = this;
    if (subject === null || answer === null || rectangle === null) return;
    const classes = answer.top.map((guess) => guess.class_index);
    if (!classes.includes(answer.class_index)) classes.push(answer.class_index);
    try {
      const guesses = await this.source.cover(subject, rectangle, classes, this.asking.signal);
      if (rectangle !== this.rectangle) return;
      this.covered = new Map(guesses.map((guess) => [guess.class_index, guess.probability]));
      this.#drawGuesses();
    } catch (error) {
      if (!this.asking.signal.aborted) this.#say(messageOf(error), "failed");
    }
  }

  /**
   * @param {string} said
   * @param {string} kind asking, noted, failed or nothing
   */
  #say(said, kind) {
    this.parts.status.textContent = said;
    this.parts.status.className = `panel-status ${kind}`;
    this.root.setAttribute("aria-busy", String(kind === "asking"));
  }

  // ---- elements

  #build() {
    const parts = {
      status: element("p", { class: "panel-status", role: "status" }),
      image: element("img", { class: "panel-image", alt: "" }),
      heat: element("canvas", { class: "panel-heat", role: "img" }),
      shade: element("div", { class: "panel-shade" }),
      stage: element("div", { class: "panel-stage" }),
      pointed: element("output", { class: "panel-pointed" }),
      scale: element("canvas", { class: "panel-scale", width: 256, height: 12, role: "img" }),
      decision: element("h3", { class: "panel-decision" }),
      guesses: element("ul", { class: "panel-guesses" }),
      classIndex: element("input", { type: "text", list: "panel-classes", autocomplete: "off" }),
      against: element("input", { type: "text", list: "panel-classes", autocomplete: "off" }),
      classes: element("datalist", { id: "panel-classes" }),
      layer: element("select", { name: "layer" }),
      method: element("select", { name: "method" }),
      alpha: element("input", { type: "range", min: 0, max: 1, step: 0.01 }),
      colormap: element("select", { name: "colormap" }),
      cover: element("button", { type: "button", "aria-pressed": "false" }),
      keep: element("button", { type: "button" }),
      png: element("button", { type: "button" }),
      npy: element("button", { type: "button" }),
      command: element("button", { type: "button" }),
      output: element("input", { type: "text", value: "grad_cam.png", autocomplete: "off", spellcheck: "false" }),
      save: element("button", { type: "button" }),
      saving: element("form", { class: "panel-saving" }),
      kept: element("ul", { class: "panel-kept" }),
      show: element("div", { class: "panel-show", role: "group" }),
    };
    parts.stage.append(parts.image, parts.heat, parts.shade);
    this.labels = new Map();
    /** @type {(key: string, control: any) => any} */
    const labelled = (key, control) => {
      const name = element("span");
      this.labels?.set(name, key);
      return element("label", { class: "panel-field" }, name, control);
    };
    for (const key of ["overlay", "image", "map"]) {
      const button = element("button", { type: "button", value: key });
      button.addEventListener("click", () => this.#showOnly(key));
      parts.show.append(button);
    }
    parts.save.type = "submit";
    parts.saving.append(labelled("panel_output", parts.output), parts.save);
    parts.saving.hidden = this.source.save === null;
    this.root.replaceChildren(
      element(
        "div",
        { class: "panel-picture" },
        parts.stage,
        element("div", { class: "panel-legend" }, parts.scale, parts.pointed),
        element("div", { class: "panel-row" }, parts.show, labelled("panel_alpha", parts.alpha)),
        parts.status,
      ),
      element(
        "div",
        { class: "panel-answers" },
        parts.decision,
        parts.guesses,
        parts.classes,
        element(
          "div",
          { class: "panel-row" },
          labelled("panel_class", parts.classIndex),
          labelled("panel_against", parts.against),
        ),
        element(
          "div",
          { class: "panel-row" },
          labelled("panel_layer", parts.layer),
          labelled("panel_method", parts.method),
          labelled("panel_colormap", parts.colormap),
        ),
        element("div", { class: "panel-row" }, parts.cover, parts.keep, parts.png, parts.npy, parts.command),
        parts.saving,
      ),
      parts.kept,
    );
    this.#listen(parts);
    return parts;
  }

  /** @param {Record<string, any>} parts */
  #listen(parts) {
    parts.image.addEventListener("load", () => this.#drawMap());
    parts.alpha.addEventListener("input", () => this.#lookAs({ alpha: Number(parts.alpha.value) }));
    parts.colormap.addEventListener("change", () => this.#lookAs({ colormap: parts.colormap.value }));
    parts.layer.addEventListener("change", () => this.#wish({ layer: parts.layer.value }));
    parts.method.addEventListener("change", () => this.#wish({ method: parts.method.value }));
    parts.classIndex.addEventListener("change", () => {
      this.#wish({ class_index: classOf(parts.classIndex.value, this.source.facts.names) || "predicted" });
    });
    parts.against.addEventListener("change", () => {
      this.#wish({ against: classOf(parts.against.value, this.source.facts.names) });
    });
    parts.cover.addEventListener("click", () => this.#toggleCover());
    parts.keep.addEventListener("click", () => {
      if (this.subject && this.answer) this.kept.push({ subject: this.subject, answer: this.answer });
      this.#drawKept();
    });
    parts.png.addEventListener("click", () => this.#download("png"));
    parts.npy.addEventListener("click", () => this.#download("npy"));
    parts.command.addEventListener("click", async () => {
      if (!this.answer) return;
      await navigator.clipboard?.writeText(this.answer.command).catch(() => undefined);
      this.#say(this.answer.command, "");
    });
    parts.saving.addEventListener("submit", async (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!this.subject || !this.source.save) return;
      try {
        const name = await this.source.save(this.subject, this.question, this.look, parts.output.value);
        this.#say(text("panel_saved", { name }), "");
      } catch (error) {
        this.#say(messageOf(error), "failed");
      }
    });
    this.#listenToPointer(parts);
  }

  // ---- the pointer: the number under it, and what it covers

  /** @param {Record<string, any>} parts */
  #listenToPointer(parts) {
    const { stage } = parts;
    /** @type {{x: number, y: number} | null} */
    let start = null;
    stage.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      if (!this.isCovering) return;
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      start = this.#placeOf(event);
    });
    stage.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      const place = this.#placeOf(event);
      const value = this.answer && heatAt(this.answer.heat, place.x, place.y);
      parts.pointed.textContent = value === null ? "" : value.toFixed(3);
      if (start) this.#coverFrom(start, place);
    });
    stage.addEventListener("pointerleave", () => (parts.pointed.textContent = ""));
    stage.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => {
      if (!start) return;
      this.#coverFrom(start, this.#placeOf(event));
      start = null;
      this.#cover();
    });
    stage.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!this.isCovering || !this.rectangle || !move) return;
      event.preventDefault();
      event.stopPropagation();
      const { left, top, right, bottom } = this.rectangle;
      const across = Math.min(Math.max(move[0] * STEP, -left), 1 - right);
      const down = Math.min(Math.max(move[1] * STEP, -top), 1 - bottom);
      this.rectangle = { left: left + across, right: right + across, top: top + down, bottom: bottom + down };
      this.#drawShade();
      this.#cover();
    });
  }

  /** @param {PointerEvent} event */
  #placeOf(event) {
    const box = this.parts.stage.getBoundingClientRect();
    const within = (/** @type {number} */ value) => Math.min(Math.max(value, 0), 1);
    return { x: within((event.clientX - box.left) / box.width), y: within((event.clientY - box.top) / box.height) };
  }

  /**
   * @param {{x: number, y: number}} start
   * @param {{x: number, y: number}} end
   */
  #coverFrom(start, end) {
    this.rectangle = {
      left: Math.min(start.x, end.x),
      right: Math.max(start.x, end.x),
      top: Math.min(start.y, end.y),
      bottom: Math.max(start.y, end.y),
    };
    this.#drawShade();
  }

  #toggleCover() {
    this.isCovering = !this.isCovering;
    if (this.isCovering) {
      this.rectangle = { left: 0.4, right: 0.6, top: 0.4, bottom: 0.6 };
      this.parts.stage.tabIndex = 0;
      this.parts.stage.focus();
      this.#cover();
    } else this.#uncover();
    this.#drawLabels();
    this.#drawShade();
    this.#drawGuesses();
  }

  #uncover() {
    this.isCovering = false;
    this.rectangle = null;
    this.covered = new Map();
    this.parts.stage.removeAttribute("tabindex");
    this.#drawShade();
  }

  #drawShade() {
    const { shade, stage } = this.parts;
    stage.classList.toggle("covering", this.isCovering);
    shade.hidden = this.rectangle === null;
    if (this.rectangle === null) return;
    const { left, top, right, bottom } = this.rectangle;
    const css = { left, top, width: right - left, height: bottom - top };
    for (const [name, value] of Object.entries(css)) shade.style.setProperty(name, `${100 * value}%`);
  }

  // ---- drawing

  /** @param {Partial<Look>} look */
  #lookAs(look) {
    this.look = { ...this.look, ...look };
    this.changes.onLook(this.look);
    this.#drawMap();
  }

  /** @param {string} what overlay, image or map */
  #showOnly(what) {
    this.parts.stage.dataset.show = what;
    this.#drawLabels();
  }

  #colors() {
    return bytesOf(this.source.colormaps[this.look.colormap] ?? Object.values(this.source.colormaps)[0]);
  }

  #drawMap() {
    const { image, heat, scale, alpha } = this.parts;
    alpha.value = this.look.alpha;
    heat.style.setProperty("--alpha", String(this.look.alpha));
    drawScale(scale, this.#colors());
    heat.hidden = this.answer === null || !image.naturalWidth;
    if (this.answer === null || !image.naturalWidth) return;
    const shrink = Math.min(1, LARGEST / Math.max(image.naturalWidth, image.naturalHeight));
    heat.width = Math.max(1, Math.round(image.naturalWidth * shrink));
    heat.height = Math.max(1, Math.round(image.naturalHeight * shrink));
    drawHeat(heat, this.answer.heat, this.#colors());
  }

  #drawLabels() {
    for (const [node, key] of this.labels ?? []) node.textContent = text(key);
    const { cover, keep, png, npy, command, save, stage, heat, scale, show } = this.parts;
    cover.textContent = text(this.isCovering ? "panel_uncover" : "panel_cover");
    cover.setAttribute("aria-pressed", String(this.isCovering));
    keep.textContent = text("panel_keep");
    png.textContent = text("panel_png");
    npy.textContent = text("panel_npy");
    command.textContent = text("panel_command");
    command.hidden = !this.answer?.command;
    for (const button of [png, npy, keep, cover, save]) button.disabled = this.answer === null;
    save.textContent = text("panel_save");
    stage.setAttribute("aria-label", text("panel_stage"));
    stage.setAttribute("role", "group");
    heat.setAttribute("aria-label", text("panel_heat", { name: this.answer ? this.#name(this.answer) : "" }));
    scale.setAttribute("aria-label", text("panel_scale"));
    show.setAttribute("aria-label", text("panel_show"));
    for (const button of show.children) {
      button.textContent = text(`panel_show_${button.value}`);
      button.setAttribute("aria-pressed", String(button.value === (stage.dataset.show ?? "overlay")));
    }
  }

  #drawChoices() {
    const { facts } = this.source;
    const { layer, method, colormap, classes, classIndex, against } = this.parts;
    const shown = this.question.layer || this.answer?.layer || "";
    const layers = facts.layers.map((one) =>
      element("option", { value: one.name }, one.isDefault ? text("panel_default", { name: one.name }) : one.name),
    );
    layer.replaceChildren(...layers);
    if (!facts.layers.some((one) => one.name === shown)) layer.prepend(element("option", { value: shown }, shown));
    layer.value = shown;
    const chosen = facts.methods.find((one) => one.name === (this.question.method || facts.method));
    layer.disabled = facts.layers.length < 2 || (chosen !== undefined && !chosen.takesLayer);
    method.replaceChildren(
      ...facts.methods.map((one) =>
        element(
          "option",
          { value: one.name, title: one.summary },
          one.passes === 1 ? one.name : text("panel_passes", { name: one.name, passes: number(one.passes) }),
        ),
      ),
    );
    method.value = this.question.method || facts.method;
    against.disabled = !facts.isFree;
    const maps = Object.keys(this.source.colormaps);
    colormap.replaceChildren(...maps.map((name) => element("option", { value: name }, name)));
    colormap.value = this.look.colormap;
    if (classes.childElementCount !== facts.names.length)
      classes.replaceChildren(...facts.names.map((name, index) => element("option", { value: `${index}: ${name}` })));
    const { class_index, against: opponent } = this.question;
    if (document.activeElement !== classIndex)
      classIndex.value = class_index === "predicted" ? "" : className(class_index, facts.names);
    classIndex.placeholder = text("panel_predicted");
    if (document.activeElement !== against) against.value = opponent === "" ? "" : className(opponent, facts.names);
    against.placeholder = text("panel_nothing");
  }

  #drawGuesses() {
    const { guesses, decision } = this.parts;
    const { answer } = this;
    decision.textContent = "";
    if (answer === null) {
      guesses.replaceChildren();
      return;
    }
    const values = { name: this.#name(answer), probability: percent(answer.probability), rank: number(answer.rank) };
    decision.textContent = text("panel_decision", values);
    const { class_index, class_name, probability } = answer;
    const all = answer.top.some((guess) => guess.class_index === class_index)
      ? answer.top
      : [...answer.top, { class_index, class_name, probability }];
    guesses.replaceChildren(...all.map((guess) => this.#guess(guess, class_index)));
  }

  /**
   * @param {Guess} guess
   * @param {number} explained
   */
  #guess(guess, explained) {
    const now = this.covered.get(guess.class_index);
    const button = element(
      "button",
      { type: "button", "aria-pressed": String(guess.class_index === explained), class: "panel-guess" },
      element("span", { class: "panel-name" }, this.#name(guess)),
      element("span", { class: "panel-bar", style: `--share: ${guess.probability}` }),
      element("b", {}, percent(guess.probability)),
    );
    if (now !== undefined) {
      button.append(
        element("span", { class: "panel-bar covered", style: `--share: ${now}` }),
        element("b", { class: "covered", title: text("panel_covered") }, percent(now)),
      );
    }
    button.addEventListener("click", () => this.#wish({ class_index: guess.class_index }));
    return element("li", {}, button);
  }

  #drawKept() {
    this.parts.kept.replaceChildren(
      ...this.kept.map(({ subject, answer }, index) => {
        const heat = element("canvas", { class: "panel-heat", width: SMALL, height: SMALL });
        drawHeat(heat, answer.heat, this.#colors());
        heat.style.setProperty("--alpha", String(this.look.alpha));
        const name = text("panel_kept", { name: this.#name(answer), method: answer.method, layer: answer.layer });
        const remove = element("button", { type: "button", "aria-label": text("panel_remove", { name }) }, "✕");
        remove.addEventListener("click", () => {
          this.kept.splice(index, 1);
          this.#drawKept();
        });
        return element(
          "li",
          {},
          element("span", { class: "panel-small" }, element("img", { src: subject.address, alt: name }), heat),
          element("span", { class: "panel-name" }, name),
          remove,
        );
      }),
    );
  }

  /** @param {{class_index: number, class_name: string | null}} one */
  #name(one) {
    return one.class_name ?? String(one.class_index);
  }

  // ---- files

  /** @param {"png" | "npy"} format */
  async #download(format) {
    const { subject, answer } = this;
    if (subject === null || answer === null) return;
    try {
      const blob = this.source.file
        ? await this.source.file(subject, this.question, this.look, format)
        : format === "npy"
          ? npyOf(answer.heat)
          : await pngOf(this.parts.image, answer.heat, this.#colors(), this.look.alpha);
      const address = URL.createObjectURL(blob);
      const stem = subject.name.replace(/\.\w+$/, "");
      element("a", { href: address, download: `${stem}_${answer.method}_${answer.class_index}.${format}` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    } catch (error) {
      this.#say(messageOf(error), "failed");
    }
  }
}

/**
 * A class as it is asked for: its number where that is named, `7: seven` too, else the name.
 *
 * @param {string} typed
 * @param {string[]} names
 * @returns {number | string}
 */
export function classOf(typed, names) {
  const word = typed.trim();
  const index = names.indexOf(word);
  if (index >= 0) return index;
  const found = /^(\d+)(?:: (.*))?$/.exec(word);
  return found ? Number(found[1]) : word;
}

/**
 * @param {number | string} index
 * @param {string[]} names
 */
function className(index, names) {
  const name = typeof index === "number" ? names[index] : undefined;
  return name ? `${index}: ${name}` : String(index);
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

addTexts({
  en: {
    panel_alpha: "Opacity",
    panel_against: "Rather than",
    panel_asking: "Explaining …",
    panel_class: "Class",
    panel_colormap: "Colors",
    panel_command: "Command line",
    panel_cover: "Cover a region",
    panel_covered: "With the region covered",
    panel_decision: "{name}: {probability}, rank {rank}",
    panel_default: "{name} (default)",
    panel_heat: "Map for {name}",
    panel_keep: "Keep beside",
    panel_kept: "{name}, {method}, {layer}",
    panel_layer: "Layer",
    panel_method: "Method",
    panel_nothing: "nothing",
    panel_npy: "Map as NPY",
    panel_output: "Save as",
    panel_passes: "{name} (about {passes} passes)",
    panel_png: "Picture as PNG",
    panel_predicted: "predicted",
    panel_remove: "Remove {name}",
    panel_save: "Save to the result folder",
    panel_saved: "Saved: {name}",
    panel_scale: "Scale of the colors, from 0 to 1",
    panel_show: "What is shown",
    panel_show_image: "Image",
    panel_show_map: "Map",
    panel_show_overlay: "Overlay",
    panel_stage: "The image and where the network looked",
    panel_took: "{seconds} s",
    panel_uncover: "Uncover",
  },
  ja: {
    panel_alpha: "不透明度",
    panel_against: "比べるクラス",
    panel_asking: "計算しています…",
    panel_class: "クラス",
    panel_colormap: "配色",
    panel_command: "コマンドライン",
    panel_cover: "一部を隠す",
    panel_covered: "隠したとき",
    panel_decision: "{name}: {probability}、{rank} 位",
    panel_default: "{name}（既定）",
    panel_heat: "{name} のマップ",
    panel_keep: "並べて残す",
    panel_kept: "{name}、{method}、{layer}",
    panel_layer: "層",
    panel_method: "手法",
    panel_nothing: "なし",
    panel_npy: "マップを NPY で保存",
    panel_output: "保存名",
    panel_passes: "{name}（約 {passes} 回の計算）",
    panel_png: "画像を PNG で保存",
    panel_predicted: "予測クラス",
    panel_remove: "{name} を取り除く",
    panel_save: "結果フォルダに保存",
    panel_saved: "保存しました: {name}",
    panel_scale: "色の目盛り（0 から 1）",
    panel_show: "表示",
    panel_show_image: "画像",
    panel_show_map: "マップ",
    panel_show_overlay: "重ね合わせ",
    panel_stage: "画像と、ネットワークが注目した場所",
    panel_took: "{seconds} 秒",
    panel_uncover: "隠すのをやめる",
  },
});
