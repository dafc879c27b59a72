// Pictures of pages, reduced to what a reader would notice and compared by it. A letter that another
// machine draws a little differently is the same; a part that moved, vanished or changed colour is not.

/** Points of the screenshot for one of the picture, each way. */
const REDUCTION = 2;
/** Colours are told in steps of this size; it keeps the files small. */
const STEP = 4;
/** By how much a colour may differ: the edges of letters are not drawn alike everywhere. */
const NOISE = 10;
/** How far away the same colour may stand: half a letter may move to the next point. */
const NEAR = 1;
/** How many points may still be different. */
const OTHER_MAX = 3;
/** Rows that a page may grow or shrink by rounding. */
const ROWS_MAX = 1;

/** The picture with each point the mean of several. */
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

/** Where two pictures differ so that a reader would notice: points, and a sentence; else nothing. */
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

/** Whether the colour at a place of `one` stands at that place of `other`, or next to it. */
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
