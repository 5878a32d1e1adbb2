// What a model takes, of the pixels that a canvas gives: the same steps as in Python, see images/inputs.py.

import { resizedBytes } from "./resize.js";

/**
 * @typedef {object} InputFacts what a compiled file says of its input: see docs/explainer.md
 * @property {string} name
 * @property {number} channels 1 or 3
 * @property {number} height
 * @property {number} width
 * @property {string} layout CHW, HWC or HW
 * @property {number} maximum the value of white
 * @property {number[]} mean one a channel, or none
 * @property {number[]} std one a channel, or none
 * @property {string} channel_order RGB or BGR
 * @property {boolean} exif_orientation
 */

/**
 * @typedef {object} Pixels as a canvas gives them
 * @property {Uint8ClampedArray | Uint8Array} data RGBA
 * @property {number} width
 * @property {number} height
 */

/**
 * A model's input of an image of any size: of one or three channels, resized, in its range, normalized, in its layout.
 *
 * @param {Pixels} image
 * @param {InputFacts} input
 * @returns {{values: Float32Array, shape: number[]}} the shape without the batch
 */
export function preparedInput(image, input) {
  const { channels, height, width, layout, maximum, mean, std } = input;
  const bytes = resizedBytes(channels === 1 ? grayBytes(image) : colorBytes(image), channels, image, input);
  const places = height * width;
  const values = new Float32Array(channels * places);
  const isLast = layout.endsWith("C");
  for (let channel = 0; channel < channels; channel++) {
    const source = input.channel_order === "BGR" ? channels - 1 - channel : channel;
    const low = Math.fround(mean[channel] ?? 0);
    const spread = Math.fround(std[channel] ?? 1);
    const white = Math.fround(255 / maximum);
    const known = Float32Array.from({ length: 256 }, (_, byte) =>
      Math.fround(Math.fround(Math.fround(byte / white) - low) / spread),
    );
    for (let place = 0; place < places; place++) {
      values[isLast ? place * channels + channel : channel * places + place] = known[bytes[place * channels + source]];
    }
  }
  const extents = /** @type {Record<string, number>} */ ({ C: channels, H: height, W: width });
  return { values, shape: Array.from(layout, (axis) => extents[axis]) };
}

/**
 * The same image with a rectangle in its mean color.
 *
 * @param {Pixels} image
 * @param {import("./source.js").Rectangle} rectangle
 * @returns {Pixels}
 */
export function coveredPixels(image, rectangle) {
  const { width, height } = image;
  const mean = [0, 0, 0];
  for (let at = 0; at < image.data.length; at += 4) for (let i = 0; i < 3; i++) mean[i] += image.data[at + i];
  const color = [...mean.map((sum) => Math.round(sum / (width * height))), 255];
  const data = image.data.slice();
  const right = Math.round(rectangle.right * width);
  const bottom = Math.round(rectangle.bottom * height);
  for (let row = Math.round(rectangle.top * height); row < bottom; row++) {
    for (let column = Math.round(rectangle.left * width); column < right; column++) {
      data.set(color, 4 * (row * width + column));
    }
  }
  return { data, width, height };
}

/**
 * Gray of ITU-R BT.601, rounded as Pillow does.
 *
 * @param {Pixels} image
 */
function grayBytes({ data, width, height }) {
  const gray = new Uint8Array(width * height);
  for (let place = 0, at = 0; place < gray.length; place++, at += 4) {
    gray[place] = (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) >> 16;
  }
  return gray;
}

/** @param {Pixels} image */
function colorBytes({ data, width, height }) {
  const colors = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; to < colors.length; from += 4) {
    colors[to++] = data[from];
    colors[to++] = data[from + 1];
    colors[to++] = data[from + 2];
  }
  return colors;
}
