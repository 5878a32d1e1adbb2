// ONNX Runtime Web in a page: the parts that the page brings, inside it or beside it, and the fastest way to run them.

/**
 * @typedef {object} PageParts addresses, or the ids of elements that hold the parts, compressed, where all is one file
 * @property {string} explainer the compiled explainer
 * @property {{module: string, binary: string}} wasm the runtime for processors
 * @property {{module: string} | null} webgpu the one that knows graphics processors too
 */

/**
 * @typedef {object} OpenedExplainer
 * @property {any} ort the runtime's module
 * @property {any} session
 * @property {"webgpu" | "wasm"} device
 * @property {number} threads that one run uses
 */

const MOST_THREADS = 8; // more wait for each other longer than they take

/**
 * Open the explainer on the graphics processor, or, with `isSafe` or where there is none that works, by WebAssembly.
 *
 * @param {PageParts} parts
 * @param {boolean} isSafe
 * @returns {Promise<OpenedExplainer>}
 */
export async function openExplainer(parts, isSafe = false) {
  const content = new Uint8Array(await (await partOf(parts.explainer)).arrayBuffer());
  if (!isSafe && parts.webgpu !== null && (await hasGraphics())) {
    try {
      const ort = await import(moduleAddress(parts.webgpu.module));
      const session = await ort.InferenceSession.create(content, { executionProviders: ["webgpu"] });
      return { ort, session, device: "webgpu", threads: 1 };
    } catch {} // a driver may lack what a graph needs: WebAssembly has all of it
  }
  const isInside = document.getElementById(parts.wasm.module) !== null;
  const address = isInside
    ? URL.createObjectURL(new Blob([await partOf(parts.wasm.module)], { type: "text/javascript" }))
    : moduleAddress(parts.wasm.module);
  const ort = await import(address);
  if (isInside) ort.env.wasm.wasmBinary = await (await partOf(parts.wasm.binary)).arrayBuffer();
  // threads share memory, which a browser allows pages that are cut off from all others
  const threads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
  return { ort, session, device: "wasm", threads };
}

/**
 * A part of the page: of an element of this id, or of the file of this name.
 *
 * @param {string} name
 * @returns {Promise<Blob>}
 */
export async function partOf(name) {
  const inside = document.getElementById(name);
  if (inside === null) {
    const response = await fetch(name);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return response.blob();
  }
  const bytes = Uint8Array.from(atob(inside.textContent ?? ""), (character) => character.charCodeAt(0));
  inside.remove(); // it takes memory twice, and is asked for once
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
}

/** @param {string} name of a file beside the page */
function moduleAddress(name) {
  return new URL(name, document.baseURI).href;
}

/** Whether the browser has a graphics processor for pages, and not a program that acts as one. */
async function hasGraphics() {
  try {
    const adapter = await /** @type {any} */ (navigator).gpu?.requestAdapter();
    return Boolean(adapter) && !adapter.info?.isFallbackAdapter;
  } catch {
    return false;
  }
}
