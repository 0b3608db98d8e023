import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";

export interface StoredImage {
  name: string;
  sizeBytes: number;
  sha256: string;
}

/** The site's images by name. */
export interface ImageStore {
  find(name: string): Promise<StoredImage | undefined>;
  /** Bytes from `start` to `end`, both included. */
  read(name: string, start: number, end: number): AsyncIterable<Uint8Array>;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** Large pieces: one system call per half a mebibyte. */
const PIECE = 512 * 1024;

/** Images in a folder. Each is hashed once, and again when the file has changed. */
export function folderImages(folder: string): ImageStore {
  const hashed = new Map<string, { version: string; image: Promise<StoredImage> }>();
  return {
    async find(name) {
      if (!NAME.test(name)) return undefined;
      const path = join(folder, name);
      const info = await stat(path).catch(() => undefined);
      if (!info?.isFile()) return undefined;
      const version = `${info.size}:${info.mtimeMs}:${info.ino}`;
      const known = hashed.get(name);
      if (known?.version === version) return known.image;
      const image = hashFile(path).then((sha256) => ({ name, sizeBytes: info.size, sha256 }));
      hashed.set(name, { version, image });
      image.catch(() => hashed.delete(name));
      return image;
    },
    read: (name, start, end) => createReadStream(join(folder, name), { start, end, highWaterMark: PIECE }),
  };
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: PIECE })) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** The byte range that a `Range` header asks for; undefined: the whole. `bad` cannot be served (416). */
export function byteRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | "bad" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  if (!match) return undefined;
  const [, from = "", to = ""] = match;
  if (from === "" && to === "") return undefined;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return start > end || start >= size ? "bad" : { start, end };
}
