// The worker that opens a picture and finds digits on it, so that the page never waits for it.

import { PictureError, findDigits } from "./pictures.mjs";

const MAX_PIXELS = 64e6; // phones take pictures of 12 to 50 million
const SHOWN = 1400; // the longer side of the picture to be shown, in pixels

async function look({ file, turn }) {
  const picture = await createImageBitmap(file, {
    imageOrientation: "from-image", colorSpaceConversion: "none", // upright, as the camera noted
  }).catch(() => {
    throw new PictureError("Your browser can’t open this file as a picture. Try a JPEG or a PNG.");
  });
  if (picture.width * picture.height > MAX_PIXELS) {
    throw new PictureError("This picture has more than 64 million pixels. Try a smaller one.");
  }
  const [width, height] = turn ? [picture.height, picture.width] : [picture.width, picture.height];
  /** Draws the turned picture so that its upper left corner lies at (0, -top). */
  const draw = (context, top) => {
    context.translate(turn < 0 ? width : 0, (turn > 0 ? height : 0) - top);
    context.rotate((-turn * Math.PI) / 2);
    context.drawImage(picture, 0, 0);
  };
  let strip = null; // a canvas as large as a photo may be larger than a browser allows
  const rows = findDigits((top, count) => {
    strip ??= new OffscreenCanvas(width, count).getContext("2d", { willReadFrequently: true });
    strip.resetTransform();
    strip.clearRect(0, 0, width, count);
    strip.imageSmoothingEnabled = false; // a quarter turn moves whole pixels
    draw(strip, top);
    return strip.getImageData(0, 0, width, count).data;
  }, width, height);
  const share = Math.min(SHOWN / Math.max(width, height), 1);
  const shown = new OffscreenCanvas(Math.ceil(share * width), Math.ceil(share * height));
  const context = shown.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.scale(shown.width / width, shown.height / height);
  draw(context, 0);
  return { rows, width, height, picture: shown.transferToImageBitmap() };
}

addEventListener("message", async ({ data: file }) => {
  try {
    const found = await look(file);
    postMessage(found, [found.picture]);
  } catch (error) {
    const reason = error instanceof PictureError ? "" : "This picture can’t be read. ";
    postMessage({ error: reason + error.message });
  }
});
