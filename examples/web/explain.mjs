// Runs a file that `whylight compile` wrote. It needs ONNX Runtime alone: the same lines work in a page and in Node.

import * as ort from "onnxruntime-web";

/** Opens an explainer file: its bytes, or in a page its address. */
export const open = (explainer) => ort.InferenceSession.create(explainer);

/** Name, channels, height and width of the image input, and whether the channels come last. */
export function inputFacts(session) {
  const { name, shape } = session.inputMetadata.find((input) => input.name !== "class_index");
  const channelsLast = shape.length === 4 && [1, 3].includes(shape[3]) && ![1, 3].includes(shape[1]);
  const [channels, height, width] = channelsLast ? [shape[3], shape[1], shape[2]] : shape.slice(-3);
  return { name, channels, height, width, channelsLast };
}

/**
 * Explains one image.
 *
 * @param session what `open` gave.
 * @param {Uint8Array | Uint8ClampedArray} rgba the pixels, as a canvas gives them, in the size of the model's input.
 * @param {number} classIndex the class to explain; -1 for the one that the model predicts.
 * @param {number} maximum the model's value of white: 1 or 255.
 * @returns the class scores or probabilities, the explained score, and the map, stretched to [0, 1].
 */
export async function explain(session, rgba, classIndex = -1, maximum = 1) {
  const facts = inputFacts(session);
  const { name, channels, height, width, channelsLast } = facts;
  const pixels = new Float32Array(channels * height * width);
  for (let i = 0; i < height * width; i++) {
    const [red, green, blue] = rgba.subarray(4 * i, 4 * i + 3);
    const values = channels === 1 ? [0.299 * red + 0.587 * green + 0.114 * blue] : [red, green, blue];
    values.forEach((value, channel) => {
      pixels[channelsLast ? i * channels + channel : channel * height * width + i] = (value / 255) * maximum;
    });
  }
  const shape = channelsLast ? [1, height, width, channels] : [1, channels, height, width];
  const results = await session.run({
    [name]: new ort.Tensor("float32", pixels, shape),
    class_index: new ort.Tensor("int64", BigInt64Array.of(BigInt(classIndex)), [1]),
  });
  const output = session.outputNames.find((each) => !["score", "cam"].includes(each));
  const [, rows, columns] = results.cam.dims;
  return {
    output: Array.from(results[output].data),
    score: results.score.data[0],
    map: { rows, columns, values: stretched(Array.from(results.cam.data)) },
  };
}

/** Values from 0 to 1; those of a map that is the same everywhere are cut to that range. */
function stretched(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return values.map((value) => (low === high ? Math.min(Math.max(value, 0), 1) : (value - low) / (high - low)));
}
