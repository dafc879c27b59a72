// Reduces pictures of pages to what a user would notice, and compares them. Slightly different rendering
// of text on another machine is ignored; an element that moved, disappeared or changed color is not.

/** Pixels of the screenshot per pixel of the picture, in each direction. */
const REDUCTION = 2;
/** Colors are stored in steps of this size, which keeps the files small. */
const STEP = 4;
/** How much a color channel may differ, because other machines render the edges of text differently. */
const NOISE = 10;
/** How many pixels a color may move, because text can shift to the next pixel. */
const NEAR = 1;
/** How many pixels may still differ. */
const OTHER_MAX = 3;
/** How many rows a page may grow or shrink because of rounding. */
const ROWS_MAX = 1;

/** Reduces a picture: each pixel becomes the mean of several. */
export function reduced({ width, height, pixels }) {
  const [columns, rows] = [Math.ceil(width / REDUCTION), Math.ceil(height / REDUCTION)];
  const points = Buffer.alloc(columns * rows * 3);
  for (let at = 0; at < points.length; at += 1) {
    const [column, row] = [Math.floor(at / 3) % columns, Math.floor(at / 3 / columns)];
    let [sum, count] = [0, 0];
    for (let y = row * REDUCTION; y < Math.min((row + 1) * REDUCTION, height); y += 1) {
      for (let x = column * REDUCTION; x < Math.min((column + 1) * REDUCTION, width); x += 1) {
        sum += pixels[(y * width + x) * 3 + (at % 3)];
        count += 1;
      }
    }
    points[at] = Math.min(255, Math.round(sum / count / STEP) * STEP);
  }
  return { width: columns, height: rows, pixels: points };
}

/** The noticeable difference of two pictures: its pixels and a description, or undefined. */
export function difference(before, now) {
  if (before.width !== now.width || Math.abs(before.height - now.height) > ROWS_MAX) {
    const size = ({ width, height }) => `${width} x ${height}`;
    return { says: `is ${size(now)} points large and was ${size(before)}`, points: [] };
  }
  const points = [];
  for (let y = 0; y < Math.min(before.height, now.height); y += 1) {
    for (let x = 0; x < now.width; x += 1) {
      if (!isNear(before, now, x, y) || !isNear(now, before, x, y)) points.push({ x, y });
    }
  }
  if (points.length <= OTHER_MAX) return undefined;
  return { says: `looks different in ${points.length} of ${now.width * now.height} points`, points };
}

/** Whether the color at a pixel of `one` is at that pixel of `other`, or next to it. */
function isNear(one, other, x, y) {
  for (let row = Math.max(0, y - NEAR); row <= Math.min(other.height - 1, y + NEAR); row += 1) {
    for (let column = Math.max(0, x - NEAR); column <= Math.min(other.width - 1, x + NEAR); column += 1) {
      if (isAlike(one, (y * one.width + x) * 3, other, (row * other.width + column) * 3)) return true;
    }
  }
  return false;
}

function isAlike(one, at, other, there) {
  for (let channel = 0; channel < 3; channel += 1) {
    if (Math.abs(one.pixels[at + channel] - other.pixels[there + channel]) > NOISE) return false;
  }
  return true;
}
