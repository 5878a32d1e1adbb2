// node node.mjs explainer.onnx image.png [class index]: prints the explanation as JSON.
// The image has to have the size of the model's input, unless the file was made with --pixels.

import { readFile } from "node:fs/promises";
import { PNG } from "pngjs";
import { explain, open } from "./explain.mjs";

const [explainer, image, classIndex = "-1"] = process.argv.slice(2);
if (!image) {
  console.error("usage: node node.mjs explainer.onnx image.png [class index]");
  process.exit(2);
}
try {
  const picture = PNG.sync.read(await readFile(image));
  console.log(JSON.stringify(await explain(await open(await readFile(explainer)), picture, Number(classIndex))));
} catch (error) {
  console.error(`${image}: ${error.message}`);
  process.exit(2);
}
