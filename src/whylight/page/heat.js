// Saliency maps as pictures: colored, enlarged, and read back as numbers. As in Python: the map is colored first, and its
// colors are enlarged bilinearly.

/**
 * @typedef {import("./source.js").Heat} Heat
 */

/**
 * @param {string} base64
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * @param {string} base64 of float32 numbers, little endian
 * @returns {Float32Array}
 */
export function floatsOf(base64) {
  const view = new DataView(bytesOf(base64).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, index) => view.getFloat32(4 * index, true));
}

/**
 * Where each of `count` pixels lies between cells, and how near the second of the two: bilinear, pixels and cells being
 * areas, with the outermost cells going on to the edge.
 *
 * @param {number} cells
 * @param {number} count
 */
function neighbours(cells, count) {
  return Array.from({ length: count }, (_, pixel) => {
    const place = Math.min(Math.max(((pixel + 0.5) * cells) / count - 0.5, 0), cells - 1);
    const first = Math.floor(place);
    return { first, second: Math.min(first + 1, cells - 1), share: place - first };
  });
}

/**
 * Draw a map over all of a canvas: opaque colors where it covers the image, black elsewhere.
 *
 * @param {HTMLCanvasElement} canvas of the size that is wanted
 * @param {Heat} heat
 * @param {Uint8Array} colors 256 colors, RGB
 */
export function drawHeat(canvas, heat, colors) {
  const { width, height } = canvas;
  const pixels = new ImageData(width, height);
  const data = pixels.data;
  for (let i = 3; i < data.length; i += 4) data[i] = 255;
  const [top, left, bottom, right] = heat.crop;
  const [startRow, endRow] = [Math.round(top * height), Math.round(bottom * height)];
  const [startColumn, endColumn] = [Math.round(left * width), Math.round(right * width)];
  const shades = Array.from(heat.values, (value) => 3 * Math.min(Math.max(Math.floor(value * 255 + 0.5), 0), 255));
  const across = neighbours(heat.columns, endColumn - startColumn);
  neighbours(heat.rows, endRow - startRow).forEach((row, y) => {
    const [upper, lower] = [row.first * heat.columns, row.second * heat.columns];
    across.forEach((column, x) => {
      const target = 4 * ((startRow + y) * width + startColumn + x);
      const [a, b] = [shades[upper + column.first], shades[upper + column.second]];
      const [c, d] = [shades[lower + column.first], shades[lower + column.second]];
      for (let channel = 0; channel < 3; channel++) {
        const above = colors[a + channel] + (colors[b + channel] - colors[a + channel]) * column.share;
        const below = colors[c + channel] + (colors[d + channel] - colors[c + channel]) * column.share;
        data[target + channel] = above + (below - above) * row.share + 0.5;
      }
    });
  });
  context(canvas).putImageData(pixels, 0, 0);
}

/**
 * The map's value at a place; null where it does not cover the image.
 *
 * @param {Heat} heat
 * @param {number} x from 0 at the image's left edge to 1 at its right one
 * @param {number} y from 0 at its upper edge to 1
 * @returns {number | null}
 */
export function heatAt(heat, x, y) {
  const [top, left, bottom, right] = heat.crop;
  const [down, across] = [(y - top) / (bottom - top), (x - left) / (right - left)];
  if (down < 0 || down >= 1 || across < 0 || across >= 1) return null;
  return heat.values[Math.floor(down * heat.rows) * heat.columns + Math.floor(across * heat.columns)];
}

/**
 * The mean of maps of one size.
 *
 * @param {Heat[]} heats at least one
 * @returns {Heat}
 */
export function meanOf(heats) {
  const values = Float32Array.from(heats[0].values, (_, index) => {
    return heats.reduce((sum, heat) => sum + heat.values[index], 0) / heats.length;
  });
  return { ...heats[0], values };
}

/**
 * Draw a scale of colors, from 0 at the left to 1 at the right.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} colors
 */
export function drawScale(canvas, colors) {
  const rising = Float32Array.from({ length: 256 }, (_, index) => index / 255);
  drawHeat(canvas, { rows: 1, columns: 256, values: rising, crop: [0, 0, 1, 1] }, colors);
}

/**
 * The overlay as a PNG of the image's own size.
 *
 * @param {HTMLImageElement} image
 * @param {Heat} heat
 * @param {Uint8Array} colors
 * @param {number} alpha
 * @returns {Promise<Blob>}
 */
export function pngOf(image, heat, colors, alpha) {
  const [picture, colored] = [0, 1].map(() => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    return canvas;
  });
  drawHeat(colored, heat, colors);
  const drawing = context(picture);
  drawing.drawImage(image, 0, 0, picture.width, picture.height);
  drawing.globalAlpha = alpha;
  drawing.drawImage(colored, 0, 0);
  return new Promise((resolve, reject) =>
    picture.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("PNG"))), "image/png"),
  );
}

/**
 * The map as a NumPy file: float32 of the map's own size.
 *
 * @param {Heat} heat
 * @returns {Blob}
 */
export function npyOf(heat) {
  const shape = `{'descr': '<f4', 'fortran_order': False, 'shape': (${heat.rows}, ${heat.columns}), }`;
  const header = shape.padEnd(64 * Math.ceil((shape.length + 11) / 64) - 11) + "\n";
  const start = new Uint8Array([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  const values = new DataView(new ArrayBuffer(4 * heat.values.length));
  heat.values.forEach((value, index) => values.setFloat32(4 * index, value, true));
  return new Blob([start, header, values.buffer], { type: "application/octet-stream" });
}

/** @param {HTMLCanvasElement} canvas */
function context(canvas) {
  const found = canvas.getContext("2d");
  if (found === null) throw new Error("no canvas");
  return found;
}
