// Images resized as Pillow's antialiased bilinear filter resizes them, to the bit: a model sees here what it sees there.

const PRECISION = 22; // bits behind the point of a weight, as Pillow has them for bytes
const HALF = 1 << (PRECISION - 1);

/**
 * Bytes of an image at another size.
 *
 * @param {Uint8Array} bytes row by row, the channels of a pixel side by side
 * @param {number} channels
 * @param {{width: number, height: number}} from
 * @param {{width: number, height: number}} to
 * @returns {Uint8Array}
 */
export function resizedBytes(bytes, channels, from, to) {
  const narrowed = (/** @type {Uint8Array} */ all) =>
    from.width === to.width ? all : alongRows(all, channels, from.width, to.width);
  const lowered = (/** @type {Uint8Array} */ all, /** @type {number} */ width) =>
    from.height === to.height ? all : alongColumns(all, width * channels, from.height, to.height);
  // which way is first: bytes are rounded between the two
  const left = from.height - to.height;
  return left > 0 && left > 2 * (from.width - to.width)
    ? narrowed(lowered(bytes, from.width))
    : lowered(narrowed(bytes), to.width);
}

/**
 * @param {Uint8Array} bytes
 * @param {number} channels
 * @param {number} width
 * @param {number} wanted
 */
function alongRows(bytes, channels, width, wanted) {
  const rows = bytes.length / (width * channels);
  const found = new Uint8Array(rows * wanted * channels);
  const weights = filterWeights(width, wanted);
  for (let row = 0, at = 0; row < rows; row++) {
    for (const { first, shares } of weights) {
      const start = (row * width + first) * channels;
      for (let channel = 0; channel < channels; channel++, at++) {
        let sum = HALF;
        for (let i = 0, place = start + channel; i < shares.length; i++, place += channels) sum += bytes[place] * shares[i];
        found[at] = cutToByte(sum >> PRECISION);
      }
    }
  }
  return found;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} line bytes of a row
 * @param {number} height
 * @param {number} wanted
 */
function alongColumns(bytes, line, height, wanted) {
  const found = new Uint8Array(wanted * line);
  const sums = new Int32Array(line);
  filterWeights(height, wanted).forEach(({ first, shares }, row) => {
    sums.fill(HALF);
    shares.forEach((share, i) => {
      const start = (first + i) * line;
      for (let place = 0; place < line; place++) sums[place] += bytes[start + place] * share;
    });
    for (let place = 0; place < line; place++) found[row * line + place] = cutToByte(sums[place] >> PRECISION);
  });
  return found;
}

/**
 * Of each place at the wanted size: the first place that counts, and the shares of those from it on.
 *
 * @param {number} extent
 * @param {number} wanted
 * @returns {{first: number, shares: Int32Array}[]}
 */
function filterWeights(extent, wanted) {
  const scale = extent / wanted;
  const support = Math.max(scale, 1); // of a triangle: the next place on each side, or as far as places are merged
  const step = 1 / support; // multiplied by, where a division would round otherwise
  return Array.from({ length: wanted }, (_, index) => {
    const center = (index + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), extent) - first;
    const heights = Float64Array.from({ length: count }, (_, i) =>
      Math.max(0, 1 - Math.abs((i + first - center + 0.5) * step)),
    );
    const share = 1 / heights.reduce((total, height) => total + height, 0);
    return { first, shares: Int32Array.from(heights, (height) => Math.trunc(0.5 + height * share * (1 << PRECISION))) };
  });
}

/** @param {number} value */
function cutToByte(value) {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
