// A picture reduced to what a reader would notice: the mean brightness of its parts. Fonts that are
// drawn a little differently give the same; a part that moved, vanished or changed colour does not.

/** Pixels of the page for one part, each way. */
const PART = 40;
/** Brightness is told in sixteen steps. */
const STEPS = 16;
/** Parts may differ by a step, as where an edge lies on the border of two. */
const NOISE = 1;
/** How many of a thousand parts may differ by more than that. */
const OTHER_MAX = 10;

/** A line of hexadecimal digits for each row of parts. The page `canvas` does the reducing. */
export async function reduced(canvas, png) {
  return canvas.evaluate(
    async ([base64, part, steps]) => {
      const answer = await fetch(`data:image/png;base64,${base64}`);
      const image = await createImageBitmap(await answer.blob());
      const columns = Math.ceil(image.width / part);
      const rows = Math.ceil(image.height / part);
      const surface = new OffscreenCanvas(image.width, image.height);
      const drawing = surface.getContext("2d", { willReadFrequently: true });
      drawing.drawImage(image, 0, 0);
      const { data } = drawing.getImageData(0, 0, image.width, image.height);
      const mean = (column, row) => {
        let [sum, count] = [0, 0];
        for (let y = row * part; y < Math.min((row + 1) * part, image.height); y += 2) {
          for (let x = column * part; x < Math.min((column + 1) * part, image.width); x += 2) {
            const at = (y * image.width + x) * 4;
            sum += data[at] * 0.3 + data[at + 1] * 0.59 + data[at + 2] * 0.11;
            count += 1;
          }
        }
        return Math.min(steps - 1, Math.floor((sum / count / 256) * steps));
      };
      return Array.from({ length: rows }, (_, row) =>
        Array.from({ length: columns }, (_, column) => mean(column, row).toString(16)).join(""),
      );
    },
    [png.toString("base64"), PART, STEPS],
  );
}

/** What is different, in a sentence; nothing when a reader would not notice. */
export function difference(before, now) {
  if (Math.abs(before.length - now.length) > 1 || before[0].length !== now[0].length) {
    const size = (rows) => `${rows[0].length * PART} x ${rows.length * PART}`;
    return `is ${size(now)} pixels large and was ${size(before)}`;
  }
  const rows = Math.min(before.length, now.length);
  let [other, first] = [0, undefined];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < now[row].length; column += 1) {
      const by = parseInt(now[row][column], STEPS) - parseInt(before[row][column], STEPS);
      if (Math.abs(by) <= NOISE) continue;
      other += 1;
      first ??= `${column * PART}, ${row * PART}`;
    }
  }
  const parts = rows * now[0].length;
  if (other * 1000 <= parts * OTHER_MAX) return undefined;
  return `looks different in ${other} of ${parts} parts, the first at ${first}`;
}
