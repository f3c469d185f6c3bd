// From a photo of digits to what the network sees of each: mnist_tutorial/further/pictures.py in
// JavaScript, step by step. The tests compare both; what a step is for is said there.

const WORKING_SIDE = [200, 1400], MAX_DIGITS = 200, SIDE = 28, BOX = 20, STROKE = 2.0;

/** A picture without a digit; the message is for the reader. */
export class PictureError extends Error {}

/** Reads one line of a picture along an axis and writes another: all filters are made of this. */
function alongAxis(values, width, height, axis, filter) {
  const length = axis ? width : height, step = axis ? 1 : width, count = axis ? height : width;
  const line = new Float64Array(length), result = new Float32Array(values.length);
  for (let k = 0; k < count; k++) {
    const start = axis ? k * width : k;
    for (let i = 0; i < length; i++) line[i] = values[start + i * step];
    const out = filter(line);
    for (let i = 0; i < length; i++) result[start + i * step] = out[i];
  }
  return result;
}

/** The largest of each window of `size` (odd) numbers; with sign -1, the smallest. */
function extremes(line, size, sign) {
  const half = size >> 1, n = line.length, out = new Float64Array(n), queue = new Int32Array(n);
  let first = 0, last = 0; // places of candidates, the best first
  for (let i = 0; i < n + half; i++) {
    if (i < n) {
      while (last > first && sign * line[queue[last - 1]] <= sign * line[i]) last--;
      queue[last++] = i;
    }
    if (i >= half) {
      while (queue[first] < i - 2 * half) first++;
      out[i - half] = line[queue[first]];
    }
  }
  return out;
}

const largest = (values, width, height, size, axis, sign = 1) =>
  alongAxis(values, width, height, axis, (line) => extremes(line, size, sign));

/** The mean of each window of `size` (odd) numbers; beyond the edge the last one goes on. */
function means(line, size) {
  const half = size >> 1, n = line.length, out = new Float64Array(n);
  const at = (i) => line[Math.min(Math.max(i, 0), n - 1)];
  let sum = 0;
  for (let i = -half; i <= half; i++) sum += at(i);
  for (let i = 0; i < n; i++) {
    out[i] = sum / size;
    sum += at(i + half + 1) - at(i - half);
  }
  return out;
}

const blurred = (values, width, height, size) =>
  alongAxis(alongAxis(values, width, height, 0, (line) => means(line, size)),
    width, height, 1, (line) => means(line, size));

const median = (values) => {
  const sorted = Float32Array.from(values).sort(), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

function percentile75(values) {
  const sorted = Float32Array.from(values).sort(), place = 0.75 * (sorted.length - 1);
  const low = Math.floor(place), high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

/** Brings red, green, blue, opacity (0 to 255) to a size to work on, by a whole factor. */
function workingSize(pixelRows, width, height) {
  const longer = Math.max(width, height), shrink = Math.ceil(longer / WORKING_SIDE[1]);
  if (shrink > 1) return shrunk(pixelRows, width, height, shrink);
  const data = pixelRows(0, height);
  const grow = Math.max(Math.floor(WORKING_SIDE[0] / longer), 1);
  const wide = width * grow, high = height * grow;
  const planes = [0, 1, 2, 3].map(() => new Float32Array(wide * high));
  const places = (side) => Array.from({ length: side * grow }, (_, i) => {
    const place = Math.min(Math.max((i + 0.5) / grow - 0.5, 0), side - 1), low = Math.floor(place);
    return [low, Math.min(low + 1, side - 1), place - low];
  });
  const across = places(width), down = places(height);
  for (let y = 0; y < high; y++) {
    const [top, bottom, v] = down[y];
    for (let x = 0; x < wide; x++) {
      const [left, right, u] = across[x];
      for (let c = 0; c < 4; c++) {
        const at = (row, column) => data[4 * (row * width + column) + c];
        planes[c][y * wide + x] = (1 - v) * ((1 - u) * at(top, left) + u * at(top, right))
          + v * ((1 - u) * at(bottom, left) + u * at(bottom, right));
      }
    }
  }
  return { planes, width: wide, height: high, factor: 1 / grow };
}

function shrunk(pixelRows, width, height, factor) {
  const wide = Math.ceil(width / factor), high = Math.ceil(height / factor);
  const planes = [0, 1, 2, 3].map(() => new Float32Array(wide * high));
  for (let y = 0; y < high; y++) {
    const rows = Math.min(factor, height - y * factor), data = pixelRows(y * factor, rows);
    for (let x = 0; x < wide; x++) {
      let count = 0, opacity = 0;
      const sums = [0, 0, 0];
      for (let v = 0; v < rows; v++) {
        for (let u = x * factor; u < Math.min((x + 1) * factor, width); u++) {
          const p = 4 * (v * width + u), weight = data[p + 3];
          count++;
          opacity += weight;
          for (let c = 0; c < 3; c++) sums[c] += weight * data[p + c];
        }
      }
      const p = y * wide + x;
      for (let c = 0; c < 3; c++) planes[c][p] = opacity ? Math.round(sums[c] / opacity) : 0;
      planes[3][p] = Math.round(opacity / count);
    }
  }
  return { planes, width: wide, height: high, factor };
}

/** Puts paper behind what is transparent; returns red, green and blue. */
function onPaper([red, green, blue, opacity]) {
  let sum = 0, least = 255, ink = 0;
  for (let p = 0; p < opacity.length; p++) {
    sum += opacity[p];
    least = Math.min(least, opacity[p]);
    ink += (red[p] + green[p] + blue[p]) * opacity[p];
  }
  const planes = [red, green, blue];
  if (least === 255) return planes;
  let paper;
  if (sum / opacity.length < 127.5) paper = Array(3).fill(ink / Math.max(3 * sum, 1e-9) < 128 ? 255 : 0);
  else paper = planes.map((plane) => median(plane.filter((_, p) => opacity[p] > 127.5)));
  return planes.map((plane, c) => plane.map((value, p) =>
    (value * opacity[p] + paper[c] * (255 - opacity[p])) / 255));
}

function lightOnDark(planes, width, height) {
  const grey = planes[0].map((_, p) => (planes[0][p] + planes[1][p] + planes[2][p]) / 3);
  const around = blurred(grey, width, height, Math.floor(Math.max(width, height) / 4) | 1);
  let sum = 0;
  for (let p = 0; p < grey.length; p++) sum += (grey[p] - around[p]) ** 3;
  return sum > 0;
}

function blockMeans(plane, width, height, step) {
  const wide = Math.ceil(width / step), high = Math.ceil(height / step);
  const result = new Float32Array(wide * high);
  for (let y = 0; y < high * step; y++) {
    for (let x = 0; x < wide * step; x++) {
      result[Math.floor(y / step) * wide + Math.floor(x / step)] +=
        plane[Math.min(y, height - 1) * width + Math.min(x, width - 1)] / step ** 2;
    }
  }
  return { small: result, wide, high };
}

/** How much ink is where, from 0 to 1, without the paper's colour, light and shade. */
function flatten(planes, width, height) {
  const step = Math.max(Math.floor(Math.max(width, height) / 300), 1);
  const ink = new Float32Array(width * height);
  for (const plane of planes) {
    const { small, wide, high } = blockMeans(plane, width, height, step);
    const side = Math.max(Math.floor(Math.max(wide, high) / 4), 3) | 1;
    let paper = small;
    for (const sign of [1, -1]) {
      for (const axis of [0, 1]) paper = largest(paper, wide, high, side, axis, sign);
    }
    paper = blurred(paper, wide, high, Math.max(Math.floor(side / 4), 3) | 1);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const light = paper[Math.floor(y / step) * wide + Math.floor(x / step)];
        const p = y * width + x, missing = (light - plane[p]) / Math.max(light, 32);
        if (missing > ink[p]) ink[p] = Math.min(missing, 1);
      }
    }
  }
  return ink;
}

function otsu(values) {
  const counts = new Float64Array(256);
  for (const value of values) counts[Math.min(Math.floor(value * 256), 255)]++;
  let all = 0, weighted = 0;
  counts.forEach((count, i) => { all += count; weighted += (count * (i + 0.5)) / 256; });
  let below = 0, total = 0;
  const apart = Array.from(counts, (count, i) => {
    below += count;
    total += (count * (i + 0.5)) / 256;
    return (total * all - weighted * below) ** 2 / Math.max(below * (all - below), 1);
  });
  const best = Math.max(...apart) * (1 - 1e-9);
  const edges = apart.flatMap((value, i) => (value >= best ? [(i + 1) / 256] : []));
  return edges.reduce((sum, edge) => sum + edge, 0) / edges.length;
}

function thresholds(ink) {
  const paper = median(ink), noise = 1.4826 * median(ink.map((value) => Math.abs(value - paper)));
  const faint = paper + Math.max(6 * noise, 0.06), above = ink.filter((value) => value > faint);
  if (!above.length) return [2, 2];
  const most = above.reduce((a, b) => Math.max(a, b), 0);
  const sure = Math.min(Math.max(otsu(above), faint), most);
  return [Math.max(faint, sure / 2), sure];
}

/** Numbers the connected pieces of a mask from 1, in reading order; corners connect. */
function label(mask, width, height) {
  const labels = new Int32Array(mask.length), waiting = new Int32Array(mask.length);
  let count = 0;
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || labels[start]) continue;
    let size = 0;
    labels[start] = ++count;
    waiting[size++] = start;
    while (size) {
      const p = waiting[--size], x = p % width, y = (p - x) / width;
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
          const q = v * width + u;
          if (mask[q] && !labels[q]) {
            labels[q] = count;
            waiting[size++] = q;
          }
        }
      }
    }
  }
  return { labels, count };
}

function withoutLines(mask, width, height) {
  const longer = Math.max(width, height);
  const narrow = Math.max(Math.floor(longer / 200), 3) | 1, bridged = Math.floor(longer / 4) | 1;
  const opened = (values, length, axis) =>
    largest(largest(values, width, height, length, axis, -1), width, height, length, axis);
  const left = mask.slice();
  for (const axis of [0, 1]) {
    const side = axis ? width : height, wide = opened(mask, narrow + 2, 1 - axis);
    const runs = opened(mask.map((on, p) => on && !wide[p]), 2 * narrow + 1, axis);
    let joined = largest(runs, width, height, bridged, axis);
    joined = largest(joined, width, height, 4 * narrow + 1, 1 - axis);
    const { labels, count } = label(joined, width, height);
    const covered = Array.from({ length: count + 1 }, () => new Set());
    for (let p = 0; p < runs.length; p++) {
      if (runs[p]) covered[labels[p]].add(axis ? p % width : Math.floor(p / width));
    }
    const long = covered.map((places) => places.size > 0.4 * side
      && Math.max(...places) - Math.min(...places) > 0.7 * side);
    if (long.filter(Boolean).length > 1) {
      for (let p = 0; p < runs.length; p++) if (runs[p] && long[labels[p]]) left[p] = 0;
    }
  }
  return left;
}

const extent = (box) => Math.max(box.bottom - box.top, box.right - box.left);

function findParts(ink, sure, mask, width, height) {
  const { labels, count } = label(mask, width, height);
  const parts = Array.from({ length: count + 1 }, (_, number) => ({
    label: number, top: height, left: width, bottom: 0, right: 0, area: 0, certain: false,
  }));
  for (let p = 0; p < mask.length; p++) {
    const part = parts[labels[p]], x = p % width, y = (p - x) / width;
    part.top = Math.min(part.top, y);
    part.left = Math.min(part.left, x);
    part.bottom = Math.max(part.bottom, y + 1);
    part.right = Math.max(part.right, x + 1);
    part.area++;
    if (ink[p] >= sure) part.certain = true;
  }
  return { labels, parts: parts.slice(1).filter((part) => part.certain) };
}

function usualExtent(parts) {
  const sorted = parts.toSorted((a, b) => extent(a) - extent(b));
  const all = parts.reduce((sum, part) => sum + part.area, 0);
  let sum = 0;
  return extent(sorted.find((part) => (sum += part.area) >= all / 2));
}

function withoutEdges(parts, width, height) {
  const edges = (part) => (part.top === 0) + (part.left === 0)
    + (part.bottom === height) + (part.right === width);
  const inside = parts.filter((part) => !edges(part)), longer = Math.max(width, height);
  const usual = inside.length ? usualExtent(inside) : 0;
  if (usual < longer / 20 && usual < Math.max(0, ...parts.map(extent)) / 4) {
    const few = parts.filter((part) => edges(part) < 3);
    return few.length ? few : parts;
  }
  return parts.filter((part) => !edges(part)
    || (edges(part) === 1 && usual / 2 < extent(part) && extent(part) < 1.5 * usual));
}

const boxOf = (parts) => ({
  top: Math.min(...parts.map((part) => part.top)),
  left: Math.min(...parts.map((part) => part.left)),
  bottom: Math.max(...parts.map((part) => part.bottom)),
  right: Math.max(...parts.map((part) => part.right)),
});

function belongTogether(a, b, usual) {
  const beside = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const apart = Math.max(a.top, b.top) - Math.min(a.bottom, b.bottom);
  const narrower = Math.min(a.right - a.left, b.right - b.left);
  const lower = Math.min(a.bottom - a.top, b.bottom - b.top);
  const together = Math.max(a.bottom, b.bottom) - Math.min(a.top, b.top);
  if (apart < 0) {
    return beside > 0.5 * narrower || (lower < 0.5 * usual && beside > -0.1 * usual);
  }
  return beside > 0.3 * narrower && apart < 0.25 * usual && together < 1.5 * usual;
}

function groupParts(parts, smallest) {
  if (!parts.length) return [];
  const usual = usualExtent(parts), groups = [];
  for (const part of parts.toSorted((a, b) => extent(b) - extent(a) || a.label - b.label)) {
    if (extent(part) < 0.1 * usual) continue;
    const group = groups.find((some) => belongTogether(boxOf(some), part, usual));
    if (group) group.push(part);
    else if (extent(part) >= Math.max(0.3 * usual, smallest)) groups.push([part]);
    if (groups.length > MAX_DIGITS) {
      throw new PictureError(`It has more than ${MAX_DIGITS} pieces of ink, like a pattern or a text.`);
    }
  }
  return groups;
}

function readingOrder(digits) {
  const rows = [];
  for (const digit of digits.toSorted((a, b) => a.left - b.left)) {
    const shares = rows.map((row) => {
      const last = row.at(-1);
      return (Math.min(last.bottom, digit.bottom) - Math.max(last.top, digit.top))
        / Math.min(last.bottom - last.top, digit.bottom - digit.top);
    });
    const best = Math.max(...shares);
    if (best > 0.3) rows[shares.indexOf(best)].push(digit);
    else rows.push([digit]);
  }
  const middle = (row) => row.reduce((sum, { top, bottom }) => sum + top + bottom, 0) / row.length;
  return rows.toSorted((a, b) => middle(a) - middle(b));
}

function strokeWidth(ink, mask, width, height) {
  const on = (x, y) => x >= 0 && y >= 0 && x < width && y < height && Boolean(mask[y * width + x]);
  let steps = 0, sum = 0;
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      steps += (on(x, y) !== on(x - 1, y)) + (on(x, y) !== on(x, y - 1));
      if (x < width && y < height) sum += ink[y * width + x];
    }
  }
  return (2 * sum) / ((steps * Math.PI) / 4);
}

/** Squared distances along a line to where it is 0, plus what the line says (Felzenszwalb 2012). */
function parabolas(line) {
  const n = line.length, out = new Float64Array(n), places = [0], starts = [-Infinity];
  const meet = (q, r) => (line[q] + q * q - line[r] - r * r) / (2 * (q - r));
  for (let q = 1; q < n; q++) {
    let start = meet(q, places.at(-1));
    while (start <= starts.at(-1)) {
      places.pop();
      starts.pop();
      start = meet(q, places.at(-1));
    }
    places.push(q);
    starts.push(start);
  }
  for (let q = 0, k = 0; q < n; q++) {
    while (starts[k + 1] < q) k++;
    out[q] = (q - places[k]) ** 2 + line[places[k]];
  }
  return out;
}

function thicken(ink, mask, width, height) {
  const longer = Math.max(width, height), share = STROKE / BOX;
  const added = (share * longer - strokeWidth(ink, mask, width, height)) / (2 * (1 - share));
  if (added < 0.1) return { ink, width, height };
  const margin = Math.ceil(added) + 1, wide = width + 2 * margin, high = height + 2 * margin;
  const padded = new Float32Array(wide * high);
  for (let y = 0; y < height; y++) {
    padded.set(ink.subarray(y * width, (y + 1) * width), (y + margin) * wide + margin);
  }
  let far = padded.map((value) => (value > 0.5 ? 0 : 1e9));
  for (const axis of [0, 1]) far = alongAxis(far, wide, high, axis, parabolas);
  const thick = padded.map((value, p) =>
    Math.max(value, Math.min(Math.max(added + 0.5 - Math.sqrt(far[p]), 0), 1)));
  return { ink: thick, width: wide, height: high };
}

/** Old pixels' shares of each of 28 new ones, centred by the mass along this axis. */
function covered(along, size) {
  let sum = 0, mass = 0;
  along.forEach((value, i) => { sum += value; mass += value * (i + 0.5); });
  const shift = Math.round(SIDE / 2 + 0.5 - mass / sum / size);
  return Array.from({ length: SIDE }, (_, i) => {
    const start = size * (i - shift), end = size * (i + 1 - shift), shares = [];
    for (let k = Math.max(Math.floor(start), 0); k < Math.min(Math.ceil(end), along.length); k++) {
      shares.push([k, (Math.min(end, k + 1) - Math.max(start, k)) / size]);
    }
    return shares;
  });
}

function mnistForm(ink, width, height) {
  let left = width, right = -1, top = height, bottom = -1;
  for (let p = 0; p < ink.length; p++) {
    if (ink[p] <= 0.05) continue;
    const x = p % width, y = (p - x) / width;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  const bytes = new Uint8Array(SIDE * SIDE);
  if (right < 0) return bytes;
  const wide = right - left + 1, high = bottom - top + 1, size = Math.max(wide, high) / BOX;
  const rows = new Float64Array(high), columns = new Float64Array(wide);
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const value = ink[(y + top) * width + x + left];
      rows[y] += value;
      columns[x] += value;
    }
  }
  const down = covered(rows, size), across = covered(columns, size);
  for (let i = 0; i < SIDE; i++) {
    for (let j = 0; j < SIDE; j++) {
      let sum = 0;
      for (const [y, v] of down[i]) {
        for (const [x, u] of across[j]) sum += u * v * ink[(y + top) * width + x + left];
      }
      bytes[i * SIDE + j] = Math.round(255 * Math.min(sum, 1));
    }
  }
  return bytes;
}

/** The bytes of a picture that is a digit in MNIST's form already, null for any other picture. */
function inMnistForm(pixelRows, width, height) {
  if (width !== SIDE || height !== SIDE) return null;
  const data = pixelRows(0, SIDE), bytes = new Uint8Array(SIDE * SIDE);
  for (let p = 0; p < bytes.length; p++) {
    const [red, green, blue, opacity] = data.subarray(4 * p, 4 * p + 4);
    if (opacity < 255) return null;
    bytes[p] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16; // as Pillow weighs them
  }
  if (median(bytes) > 127) bytes.forEach((value, p) => { bytes[p] = 255 - value; });
  const columns = new Float64Array(SIDE), rows = new Float64Array(SIDE);
  let left = SIDE, right = -1, top = SIDE, bottom = -1;
  bytes.forEach((value, p) => {
    const x = p % SIDE, y = (p - x) / SIDE;
    columns[x] += value;
    rows[y] += value;
    if (value <= 12) return;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  });
  if (right < 0 || Math.abs(Math.max(right - left, bottom - top) + 1 - BOX) > 1) return null;
  const middle = (along) => along.reduce((sum, value, i) => sum + i * value, 0)
    / along.reduce((sum, value) => sum + value, 0);
  const beside = [columns, rows].some((along) => Math.abs(middle(along) - SIDE / 2) > 1);
  return beside ? null : bytes;
}

/**
 * Finds the digits on a picture: rows from the top, each from the left.
 *
 * `pixelRows(top, count)` gives red, green, blue and opacity of the pixels of these rows, as a
 * canvas has them; the first call asks for the most rows. Each digit has its `box` in pixels (left,
 * top, right, bottom), and the 784 `bytes` that the network gets.
 */
export function findDigits(pixelRows, width, height) {
  const ready = inMnistForm(pixelRows, width, height);
  if (ready) return [[{ bytes: ready, box: [0, 0, SIDE, SIDE] }]];
  const { planes, width: wide, height: high, factor } = workingSize(pixelRows, width, height);
  let colours = onPaper(planes);
  if (lightOnDark(colours, wide, high)) {
    colours = colours.map((plane) => plane.map((value) => 255 - value));
  }
  const ink = flatten(colours, wide, high), [faint, sure] = thresholds(ink);
  const mask = withoutLines(Uint8Array.from(ink, (value) => value > faint), wide, high);
  const { labels, parts } = findParts(ink, sure, mask, wide, high);
  const groups = groupParts(withoutEdges(parts, wide, high), Math.max(wide, high) / 64);
  if (!groups.length) {
    throw new PictureError("There is no ink on it that is large enough for a digit: it looks blank.");
  }
  let digits = groups.map((group) => {
    const box = boxOf(group), w = box.right - box.left, h = box.bottom - box.top;
    const ours = new Set(group.map((part) => part.label));
    const here = new Uint8Array(w * h), inked = new Float32Array(w * h), values = [];
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const p = (y + box.top) * wide + x + box.left;
        if (!ours.has(labels[p])) continue;
        here[y * w + x] = 1;
        values.push(inked[y * w + x] = ink[p]);
      }
    }
    const usual = percentile75(values);
    const full = inked.map((value) => Math.min(value / (0.9 * usual), 1));
    const thin = strokeWidth(full, here, w, h) < 0.4 * Math.max(w, h);
    const thick = thicken(full, here, w, h);
    return { ...box, thin, bytes: mnistForm(thick.ink, thick.width, thick.height) };
  });
  if (digits.some(({ thin }) => thin)) digits = digits.filter(({ thin }) => thin);
  return readingOrder(digits).map((row) => row.map(({ left, top, right, bottom, bytes }) => ({
    bytes,
    box: [Math.floor(factor * left), Math.floor(factor * top),
      Math.min(Math.ceil(factor * right), width), Math.min(Math.ceil(factor * bottom), height)],
  })));
}
