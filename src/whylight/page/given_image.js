// Images that a person gives to a page: chosen, dropped, pasted, or taken by the camera.

import { element, place } from "./dom.js";

/**
 * Take images that are chosen with a file input, dropped anywhere, or pasted.
 *
 * @param {HTMLInputElement} input
 * @param {(file: File) => void} onFile
 */
export function listenForImages(input, onFile) {
  /** @param {FileList | undefined | null} files */
  const give = (files) => {
    if (files?.[0]) onFile(files[0]);
  };
  input.addEventListener("change", () => {
    give(input.files);
    input.value = ""; // the same one may be chosen again
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    give(event.dataTransfer?.files);
  });
  document.addEventListener("paste", (event) => give(event.clipboardData?.files));
}

/**
 * Have the page's camera dialog take a picture: #camera opens it; #camera-view, -video, -take and -close are its parts.
 *
 * @param {(file: File) => void} onFile
 * @param {(error: unknown) => void} onError there is no camera, or it may not be used
 */
export function listenForCamera(onFile, onError) {
  /** @type {MediaStream | null} */
  let stream = null;
  const [view, video] = [place("camera-view"), place("camera-video")];
  const stop = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
  };
  place("camera").addEventListener("click", async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: true });
      video.srcObject = stream;
      view.showModal();
    } catch (error) {
      onError(error);
    }
  });
  view.addEventListener("close", stop);
  place("camera-close").addEventListener("click", () => view.close());
  place("camera-take").addEventListener("click", () => {
    const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    view.close();
    canvas.toBlob((/** @type {Blob | null} */ blob) => {
      if (blob) onFile(new File([blob], "camera.png", { type: "image/png" }));
    }, "image/png");
  });
}
