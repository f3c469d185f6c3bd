// From a drawing to what the network sees, as MNIST's makers did it: the longer side becomes
// 20 pixels, and by whole pixels the centre of mass comes to pixel 14 of 28, counted from 0.

const SIDE = 28, BOX = 20, MIDDLE = 14.5, FAINT = 0.05;

/**
 * The ink left of and above each corner of each pixel: sums over any rectangle are four reads.
 * Only the columns and rows from `from` to `to` are looked at; there is no ink in others.
 */
function summed(ink, stride, from, to) {
  const width = to[0] - from[0], height = to[1] - from[1];
  const sums = new Float64Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0, row = 0; x < width; x++) {
      row += ink[(from[1] + y) * stride + from[0] + x];
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
    }
  }
  const at = (x, y) => sums[y * (width + 1) + x];
  return (x, y) => { // between corners the sum grows evenly
    x = Math.min(Math.max(x - from[0], 0), width);
    y = Math.min(Math.max(y - from[1], 0), height);
    const left = Math.min(Math.floor(x), width - 1), top = Math.min(Math.floor(y), height - 1);
    const right = x - left, down = y - top;
    return (1 - down) * ((1 - right) * at(left, top) + right * at(left + 1, top))
      + down * ((1 - right) * at(left, top + 1) + right * at(left + 1, top + 1));
  };
}

/** Where the ink is: its box, its centre of mass, all its traces; null for a blank drawing. */
function measured(ink, width, height) {
  let left = width, right = -1, top = height, bottom = -1, mass = 0, sumX = 0, sumY = 0;
  const from = [width, height], to = [0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const amount = ink[y * width + x];
      if (!amount) continue;
      if (x < from[0]) from[0] = x;
      if (y < from[1]) from[1] = y;
      if (x >= to[0]) to[0] = x + 1;
      to[1] = y + 1;
      if (amount < FAINT) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
      mass += amount;
      sumX += amount * (x + 0.5);
      sumY += amount * (y + 0.5);
    }
  }
  if (!mass) return null;
  return {
    left, top, longer: Math.max(right - left, bottom - top), x: sumX / mass, y: sumY / mass,
    from, to,
  };
}

/** Where the new picture begins, when the digit's edge comes to a whole pixel. */
function placed(edge, mass, size) {
  return edge - Math.round(MIDDLE - (mass - edge) / size) * size;
}

/**
 * The 784 bytes that the network gets of a drawing, or null where nothing is drawn.
 *
 * `ink` holds width × height numbers from 0 (paper) to 1. With `centre` off the drawing is only
 * made smaller: the digit stays where it was drawn, and as large.
 */
export function seen(ink, width, height, centre) {
  const found = measured(ink, width, height);
  if (!found) return null;
  const size = centre ? found.longer / BOX : width / SIDE; // of a new pixel, in old ones
  const left = centre ? placed(found.left, found.x, size) : 0;
  const top = centre ? placed(found.top, found.y, size) : 0;
  const sum = summed(ink, width, found.from, found.to);
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => {
    const x = left + (i % SIDE) * size, y = top + Math.floor(i / SIDE) * size;
    const total = sum(x + size, y + size) - sum(x, y + size) - sum(x + size, y) + sum(x, y);
    return Math.round((255 * total) / size ** 2);
  });
}
