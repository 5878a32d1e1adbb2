// node node.mjs explainer.onnx image.png [class index] [value of white]: prints the explanation as JSON.
// The image has to have the size of the model's input: scaling is the canvas's work in a page.

import { readFile } from "node:fs/promises";
import { PNG } from "pngjs";
import { explain, inputFacts, open } from "./explain.mjs";

const [explainer, image, classIndex = "-1", maximum = "1"] = process.argv.slice(2);
if (!image) {
  console.error("usage: node node.mjs explainer.onnx image.png [class index] [value of white]");
  process.exit(2);
}
const session = await open(await readFile(explainer));
const { height, width } = inputFacts(session);
const picture = PNG.sync.read(await readFile(image));
if (picture.height !== height || picture.width !== width) {
  console.error(`${image}: ${picture.width} x ${picture.height} pixels, the model takes ${width} x ${height}`);
  process.exit(2);
}
console.log(JSON.stringify(await explain(session, picture.data, Number(classIndex), Number(maximum))));
