// The part of PNG that pictures of states need: reads the PNGs of Chromium and writes small ones.
// A pixel has three bytes: red, green and blue. There is no interlacing.

import { deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const RGB = 2;
const RGBA = 6;

/** The picture in a file: `width`, `height`, and `pixels` with three bytes each. */
export function decoded(file) {
  if (!file.subarray(0, 8).equals(SIGNATURE)) throw new Error("This is not a PNG file.");
  const parts = chunks(file);
  const header = parts.find((part) => part.type === "IHDR").data;
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const [depth, color, , , interlaced] = header.subarray(8);
  if (depth !== 8 || (color !== RGB && color !== RGBA) || interlaced) {
    throw new Error(`Unsupported kind of PNG: depth ${depth}, color ${color}.`);
  }
  const data = Buffer.concat(parts.filter((part) => part.type === "IDAT").map((part) => part.data));
  const channels = color === RGB ? 3 : 4;
  const lines = unfiltered(inflateSync(data), width * channels, height, channels);
  return { width, height, pixels: channels === 3 ? lines : withoutAlpha(lines, width * height) };
}

/** Encodes the picture as a file; each line is stored as its difference from the line above. */
export function encoded({ width, height, pixels }) {
  const stride = width * 3;
  const lines = Buffer.alloc((stride + 1) * height);
  for (let row = 0; row < height; row += 1) {
    lines[row * (stride + 1)] = 2;
    for (let at = 0; at < stride; at += 1) {
      const above = row > 0 ? pixels[(row - 1) * stride + at] : 0;
      lines[row * (stride + 1) + 1 + at] = pixels[row * stride + at] - above;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, RGB, 0, 0, 0], 8);
  const body = deflateSync(lines, { level: 9 });
  return Buffer.concat([SIGNATURE, chunk("IHDR", header), chunk("IDAT", body), chunk("IEND", Buffer.alloc(0))]);
}

function chunks(file) {
  const found = [];
  for (let at = 8; at + 12 <= file.length; ) {
    const length = file.readUInt32BE(at);
    found.push({
      type: file.toString("latin1", at + 4, at + 8),
      data: file.subarray(at + 8, at + 8 + length),
    });
    at += 12 + length;
  }
  return found;
}

function chunk(type, data) {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(named.length + 8);
  framed.writeUInt32BE(data.length, 0);
  named.copy(framed, 4);
  framed.writeUInt32BE(crc32(named), named.length + 4);
  return framed;
}

/** Reverses the five filters of PNG. */
function unfiltered(lines, stride, height, step) {
  const pixels = Buffer.alloc(stride * height);
  for (let row = 0; row < height; row += 1) {
    const filter = lines[row * (stride + 1)];
    const from = row * (stride + 1) + 1;
    const to = row * stride;
    for (let at = 0; at < stride; at += 1) {
      const left = at >= step ? pixels[to + at - step] : 0;
      const up = row > 0 ? pixels[to + at - stride] : 0;
      const corner = at >= step && row > 0 ? pixels[to + at - stride - step] : 0;
      pixels[to + at] = lines[from + at] + predicted(filter, left, up, corner);
    }
  }
  return pixels;
}

function predicted(filter, left, up, corner) {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  const [byLeft, byUp] = [Math.abs(up - corner), Math.abs(left - corner)];
  const byCorner = Math.abs(left + up - 2 * corner);
  if (byLeft <= byUp && byLeft <= byCorner) return left;
  return byUp <= byCorner ? up : corner;
}

/** A screenshot is opaque, so its fourth byte carries no information. */
function withoutAlpha(pixels, count) {
  const rgb = Buffer.alloc(count * 3);
  for (let pixel = 0; pixel < count; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) rgb[pixel * 3 + channel] = pixels[pixel * 4 + channel];
  }
  return rgb;
}

/** The CRC-32 of PNG, computed bit by bit because the pictures are small. */
function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}
