// Runs a file that `whylight compile` wrote. It needs ONNX Runtime alone: the same lines work in a page and in Node.

import * as ort from "onnxruntime-web";

/**
 * Opens an explainer file: its bytes, or in a page its address.
 *
 * @returns {{session, facts}} what runs it, and what it says of itself: see docs/explainer.md.
 */
export async function open(explainer) {
  const bytes = explainer instanceof Uint8Array ? explainer : new Uint8Array(await (await fetch(explainer)).arrayBuffer());
  return { session: await ort.InferenceSession.create(bytes), facts: factsOf(bytes) };
}

/**
 * Explains one image.
 *
 * @param explainer what `open` gave.
 * @param {{data, width, height}} image RGBA pixels, as a canvas gives them: in the size of the model's input, or, for a
 *   file of `whylight compile --pixels`, in any size.
 * @param {number} classIndex the class to explain; -1 for the one that the model predicts.
 * @returns the class scores or probabilities, the explained score, and the map, stretched to [0, 1].
 */
export async function explain({ session, facts }, image, classIndex = -1) {
  const results = await session.run({
    [facts.input.name]: facts.input.name === "pixels" ? bytesOf(image) : valuesOf(image, facts.input),
    class_index: new ort.Tensor("int64", BigInt64Array.of(BigInt(classIndex)), [1]),
  });
  const [, rows, columns] = results.cam.dims;
  return {
    output: Array.from(results[facts.output].data),
    score: results.score.data[0],
    map: { rows, columns, values: stretched(Array.from(results.cam.data)) },
  };
}

/** RGB bytes (1, height, width, 3): a file of `--pixels` prepares them itself. */
function bytesOf({ data, width, height }) {
  const pixels = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) pixels.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  return new ort.Tensor("uint8", pixels, [1, height, width, 3]);
}

/** The image as the model takes it: in its order of channels, its range, normalized, and in its layout. */
function valuesOf(image, { channels, height, width, layout, maximum, mean, std, channel_order: order }) {
  if (image.width !== width || image.height !== height) {
    throw new Error(`the image has ${image.width} x ${image.height} pixels, the model takes ${width} x ${height}`);
  }
  const places = height * width;
  const channelsLast = layout === "HWC";
  const values = new Float32Array(channels * places);
  for (let i = 0; i < places; i++) {
    const [red, green, blue] = image.data.subarray(4 * i, 4 * i + 3);
    const gray = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    const pixel = channels === 1 ? [gray] : order === "BGR" ? [blue, green, red] : [red, green, blue];
    pixel.forEach((value, channel) => {
      const scaled = (value / 255) * maximum;
      values[channelsLast ? i * channels + channel : channel * places + i] =
        (scaled - of(mean, channel, 0)) / of(std, channel, 1);
    });
  }
  const shape = { CHW: [channels, height, width], HWC: [height, width, channels], HW: [height, width] }[layout];
  return new ort.Tensor("float32", values, [1, ...shape]);
}

/** A number of each channel, of all, or none. */
const of = (numbers, channel, none) => (numbers.length ? numbers[channel % numbers.length] : none);

/** Values from 0 to 1; those of a map that is the same everywhere are cut to that range. */
function stretched(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return values.map((value) => (low === high ? Math.min(Math.max(value, 0), 1) : (value - low) / (high - low)));
}

// ---- the metadata of an ONNX file, which ONNX Runtime Web does not show (onnx.proto: ModelProto.metadata_props)

const METADATA = 14;
const [KEY, VALUE] = [1, 2];

/** What the file says of itself: its metadata entry `whylight`, which is JSON. */
function factsOf(bytes) {
  const text = (part) => new TextDecoder().decode(part);
  for (const [field, entry] of fields(bytes)) {
    if (field !== METADATA) continue;
    const { [KEY]: key, [VALUE]: value } = Object.fromEntries(fields(entry));
    if (text(key) === "whylight") return JSON.parse(text(value));
  }
  throw new Error("not a file of 'whylight compile'");
}

/** The fields of a message that hold bytes: number and content. */
function* fields(bytes) {
  let position = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[position++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (position < bytes.length) {
    const key = number();
    const kind = key % 8;
    if (kind === 0) number();
    else if (kind === 2) {
      const length = number();
      yield [Math.floor(key / 8), bytes.subarray(position, position + length)];
      position += length;
    } else position += kind === 1 ? 8 : 4;
  }
}
