import { SiteName } from "../site.ts";
import type { Draft } from "./draft.ts";

/** Judges the site's own name, which becomes part of addresses and tokens and has the narrowest form. */
export function checkSite({ file, faults }: Draft): void {
  if (faults.broken("/site/name") || SiteName.safeParse(file.site.name).success) return;
  const write = file.site.name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 31);
  const text = `the site's name "${file.site.name}" has a form that is not allowed`;
  faults.add(
    "name_malformed",
    "/site/name",
    text,
    SiteName.safeParse(write).success ? write : "2 to 31 of a-z, 0-9 and -, as ams01",
  );
}

/** Judges the images and maps each name to its place. An image's name is a file name on the agent, and no path. */
export function checkImages({ file, faults }: Draft): Map<string, number> {
  const places = new Map<string, number>();
  file.images?.forEach(({ name, sha256 }, i) => {
    const at = `/images/${i}`;
    if (!faults.broken(`${at}/sha256`) && !/^[0-9a-f]{64}$/.test(sha256)) {
      const lower = sha256.trim().toLowerCase();
      const write = /^[0-9a-f]{64}$/.test(lower) ? lower : "the 64 hex digits that `sha256sum FILE` prints";
      faults.add("image_sha256_malformed", `${at}/sha256`, "this is no SHA-256", write);
    }
    if (faults.broken(`${at}/name`)) return;
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
      faults.add(
        "name_malformed",
        `${at}/name`,
        `"${name}" is no plain file name`,
        "letters, digits, dots, hyphens, as ubuntu-24.04.img",
      );
    }
    const first = places.get(name);
    if (first === undefined) places.set(name, i);
    else
      faults.add("name_duplicate", `${at}/name`, `the image ${name} is entry ${first + 1} already`, "each image once");
  });
  return places;
}
