import { createHash } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { silentLog } from "../log.ts";
import { fakeWorld } from "../testing/fake-world.ts";
import { lease, MAC, SERIAL } from "../testing/fixtures.ts";
import { byteRange, folderImages } from "./images.ts";
import { type Listening, serve } from "./serve.ts";

let open: Listening | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

it("[L5] answers 410 to a nonce of no live boot and changes nothing", async () => {
  const w = fakeWorld();
  const messages = {
    "/ramdisk/v1/hello": { v: 1, nonce: "old", mac: MAC, serial: SERIAL },
    "/ramdisk/v1/poll": { v: 1, nonce: "old", commands: [] },
    "/os/v1/first-boot": { v: 1, nonce: "old", serial: SERIAL, bootedFrom: "disk" },
  };
  for (const [path, message] of Object.entries(messages))
    expect(await w.post(path, message)).toMatchObject({ status: 410, body: { code: "boot_closed" } });
  expect((await w.get("/boot/env.json?nonce=old")).status).toBe(410);
});

it("[T6] records a MAC that nobody planned once, and lets it boot from disk", async () => {
  const w = fakeWorld();
  for (let i = 0; i < 3; i++) expect((await w.get("/boot/ipxe?mac=02-00-00-00-00-99")).body).toContain("exit");
  expect(w.world.journal.audits.unknown(10)).toMatchObject([{ mac: "02:00:00:00:00:99", seen: "netboot from test" }]);
  w.world.journal.audits.toldUnknown(["02:00:00:00:00:99"]);
  await w.get("/boot/ipxe?mac=02:00:00:00:00:99");
  expect(w.world.journal.audits.unknown(10)).toEqual([]);
});

it("tells the environment only while armed", async () => {
  const w = fakeWorld();
  w.executor.take([lease("netboot.arm")], 0);
  await w.time.settle();
  const nonce = w.world.journal.boots.all()[0]?.nonce;
  expect((await w.get(`/boot/env.json?nonce=${nonce}`)).status).toBe(200);
  await w.post("/ramdisk/v1/hello", { v: 1, nonce, mac: MAC, serial: SERIAL });
  expect((await w.get(`/boot/env.json?nonce=${nonce}`)).status).toBe(410);
  expect((await w.get(`/boot/ipxe?mac=${MAC}`)).body).toContain("exit");
});

it("[S4] refuses what does not fit the protocol, and bodies beyond the bound", async () => {
  const w = fakeWorld();
  expect(await w.post("/ramdisk/v1/hello", { nonce: 3 })).toMatchObject({ status: 400, body: { code: "bad_request" } });
  expect((await w.get("/nowhere")).status).toBe(404);
  open = await serve(w.netboot, "127.0.0.1", 0, silentLog);
  const url = `http://127.0.0.1:${open.port}/ramdisk/v1/hello`;
  expect((await fetch(url, { method: "POST", body: "x".repeat(1024 * 1024 + 1) })).status).toBe(413);
});

it("serves an image whole, in ranges, and goes on only in the same file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "turnup-images-"));
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7) % 251));
  writeFileSync(join(folder, "a.img"), bytes);
  const w = fakeWorld({ images: folderImages(folder) });
  open = await serve(w.netboot, "127.0.0.1", 0, silentLog);
  const url = `http://127.0.0.1:${open.port}/images/a.img`;
  const etag = `"${createHash("sha256").update(bytes).digest("hex")}"`;
  const whole = await fetch(url);
  expect([whole.status, whole.headers.get("etag"), whole.headers.get("content-length")]).toEqual([
    200,
    etag,
    "3000000",
  ]);
  expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
  const part = await fetch(url, { headers: { range: "bytes=2999990-", "if-range": etag } });
  expect([part.status, part.headers.get("content-range")]).toEqual([206, "bytes 2999990-2999999/3000000"]);
  expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(2_999_990))).toBe(true);
  expect((await fetch(url, { headers: { range: "bytes=5-", "if-range": '"other"' } })).status).toBe(200);
  expect((await fetch(url, { headers: { range: "bytes=3000000-" } })).status).toBe(416);
  expect((await fetch(url.replace("a.img", "..%2f..%2fetc%2fpasswd"))).status).toBe(404);
});

it("reads Range headers as RFC 9110 says", () => {
  expect(byteRange("bytes=0-9", 100)).toEqual({ start: 0, end: 9 });
  expect(byteRange("bytes=90-500", 100)).toEqual({ start: 90, end: 99 });
  expect(byteRange("bytes=-10", 100)).toEqual({ start: 90, end: 99 });
  expect(byteRange("bytes=100-", 100)).toBe("bad");
  expect(byteRange("lines=1-2", 100)).toBeUndefined();
  expect(byteRange(undefined, 100)).toBeUndefined();
});
