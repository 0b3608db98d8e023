/** The site that every run begins with: a few servers, one small image. */
import { createHash } from "node:crypto";
import type { ResolvedDevice, ResolvedSite } from "../../shared/model/site.ts";
import { siteOf as emptySite, server } from "../../workers/site/core/test-world.ts";

export const SITE = { id: "st_5s1mu1at10", name: "sim01" };
export const SITE_KEY = SITE.id.slice(3);

/** Small: its bytes are really fetched by ranges and hashed, and their number proves nothing more. */
export const IMAGE_BYTES = Buffer.from("turnup simulation image ".repeat(40));
export const IMAGE = {
  name: "sim.img",
  sha256: createHash("sha256").update(IMAGE_BYTES).digest("hex"),
  sizeBytes: IMAGE_BYTES.length,
};

export function device(n: number): ResolvedDevice {
  const plain = server(n);
  if (!plain.install) throw new Error("a server of the tests can be installed");
  const bmc = { ...plain.install.bmc, secret: `vault:sim01/bmc/${n}` };
  return { ...plain, name: `srv${n}`, install: { ...plain.install, bmc, image: IMAGE.name } };
}

export function siteOf(servers: number): ResolvedSite {
  const devices = Array.from({ length: servers }, (_, n) => device(n + 1));
  return { ...emptySite(0), name: SITE.name, jurisdiction: "none", images: [IMAGE], devices };
}
