// The page of `whylight page`: an image goes in, and the panel shows where the network looked. All of it runs here.

import { element, place } from "./dom.js";
import { listenForCamera, listenForImages } from "./given_image.js";
import { FIRST_LOOK, FIRST_QUESTION, Panel } from "./panel.js";
import { partOf } from "./runtime.js";
import { addTexts, listenForLanguages, number, text, writeTexts } from "./text.js";
import { subjectOf, webSource } from "./web_source.js";

/** @typedef {import("./source.js").Subject} Subject */

/** @type {import("./web_source.js").PageFacts} */
const page = JSON.parse(place("page").textContent);
const source = webSource(page, (device, threads) => {
  say(() => text(`web_${device}`, { threads: number(threads) }));
});
const panel = new Panel(place("panel-body"), source, {
  onQuestion: (question) => (asked = question),
  onLook: (look) => (seen = look),
});
let asked = FIRST_QUESTION;
let seen = FIRST_LOOK;
/** @type {() => string} */
let said = () => text("web_opening");

/**
 * @param {() => string} sentence which is said again in another language
 * @param {string} kind quiet, or nothing for what went wrong
 */
function say(sentence, kind = "quiet") {
  said = sentence;
  place("notice").textContent = sentence();
  place("notice").className = `notice ${kind}`;
}

/** @param {unknown} error */
function sayError(error) {
  say(() => (error instanceof Error ? error.message : String(error)), "");
}

/**
 * @param {Blob} file
 * @param {string} name
 */
async function showImage(file, name) {
  try {
    const subject = await subjectOf(file, name, page.explainer);
    place("panel").hidden = false;
    place("panel-title").textContent = name;
    for (const button of place("own-images").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.title === name));
    }
    asked = { ...asked, class_index: FIRST_QUESTION.class_index };
    panel.show(subject, asked, seen);
  } catch (error) {
    sayError(error);
  }
}

/** The images that the page brings, each as a button. */
async function showOwnImages() {
  for (const { name, part } of page.images) {
    const blob = await partOf(part);
    const picture = element("img", { src: URL.createObjectURL(blob), alt: name });
    const button = element("button", { type: "button", title: name }, picture);
    button.addEventListener("click", () => showImage(blob, name));
    place("own-images").append(element("li", {}, button));
    if (panel.subject === null) await showImage(blob, name);
  }
}

addTexts({
  en: {
    camera: "Camera",
    camera_close: "Close",
    camera_take: "Take the picture",
    web_footer: "Images stay on this machine: the network runs in this page, by ONNX Runtime Web.",
    web_give: "An image: choose it here, drop it anywhere, or paste it",
    web_images: "Images to begin with",
    web_opening: "Opening the network …",
    web_wasm: "The network runs by WebAssembly; threads: {threads}.",
    web_webgpu: "The network runs on the graphics processor.",
  },
  ja: {
    camera: "カメラ",
    camera_close: "閉じる",
    camera_take: "撮影する",
    web_footer: "画像はこの端末から出ません。ネットワークはこのページの中で ONNX Runtime Web が動かします。",
    web_give: "画像: ここで選ぶか、ページに落とすか、貼り付けてください",
    web_images: "はじめの画像",
    web_opening: "ネットワークを開いています…",
    web_wasm: "ネットワークは WebAssembly で動いています（スレッド {threads}）。",
    web_webgpu: "ネットワークはグラフィックスプロセッサーで動いています。",
  },
});

writeTexts();
say(said);
listenForLanguages(() => {
  say(said);
  panel.redraw();
});
listenForImages(place("image"), (file) => showImage(file, file.name));
listenForCamera((file) => showImage(file, file.name), sayError);
source.opened.catch(sayError);
showOwnImages().catch(sayError);
