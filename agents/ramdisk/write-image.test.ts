import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { TestMedium } from "./test-medium.ts";
import { type WriteJob, writeImage } from "./write-image.ts";

const MIB = 1 << 20;
const bytes = Buffer.alloc(9 * MIB + 12_345);
for (let i = 0, x = 1; i + 4 <= bytes.length; i += 4) {
  x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
  bytes.writeUInt32LE(x, i);
}
const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
const image = { name: "demo.img", sha256: sha256(bytes), sizeBytes: bytes.length };

type Answer = (request: IncomingMessage, response: ServerResponse, from: number) => void;
const status =
  (code: number): Answer =>
  (_request, response) =>
    response.writeHead(code).end();
/** Sends the rest of a file, or breaks the connection after so many bytes of it. */
const rest =
  (data: Buffer, breakAfter = Number.POSITIVE_INFINITY): Answer =>
  (_request, response, from) => {
    response.writeHead(206, {
      "content-length": data.length - from,
      "content-range": `bytes ${from}-${data.length - 1}/${data.length}`,
    });
    if (breakAfter === Number.POSITIVE_INFINITY) response.end(data.subarray(from));
    else response.write(data.subarray(from, from + breakAfter), () => setTimeout(() => response.destroy(), 20));
  };

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A server that answers the first request with the first answer, and so on; the last one stays. */
async function serve(...answers: Answer[]): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  server = createServer((request, response) => {
    const answer = answers[Math.min(requests.length, answers.length - 1)] as Answer;
    requests.push(request);
    answer(request, response, Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1]));
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/images/demo.img`, requests };
}

const jobFor = (url: string, medium: TestMedium, more: Partial<WriteJob> = {}): WriteJob => ({
  medium,
  image,
  url,
  from: 0,
  fetch,
  written: () => undefined,
  progress: () => undefined,
  signal: new AbortController().signal,
  ...more,
});

it("writes the image byte for byte, hashes it on the way and on the way back, and tells its progress", async () => {
  const { url, requests } = await serve(rest(bytes));
  const medium = new TestMedium("S1", 64 * MIB);
  const percents: number[] = [];
  const offsets: number[] = [];
  const proof = await writeImage(
    jobFor(url, medium, { progress: (p) => percents.push(p), written: (o) => offsets.push(o) }),
  );
  expect(proof).toEqual({
    ok: true,
    value: { serial: "S1", bytes: bytes.length, wireSha256: image.sha256, readBackSha256: image.sha256, resumed: 0 },
  });
  expect(medium.peek(0, bytes.length).equals(bytes)).toBe(true);
  expect(medium.peek(bytes.length, MIB).every((b) => b === 0)).toBe(true);
  expect(medium.flushes).toBe(1);
  expect(requests[0]?.headers["if-range"]).toBe(`"${image.sha256}"`);
  expect(offsets).toEqual([4 * MIB, 8 * MIB, bytes.length]);
  expect(percents).toEqual([...percents].sort((a, b) => a - b));
  expect(percents.every((p) => p >= 0 && p <= 100)).toBe(true);
});

it("goes on after broken connections and refusals from the byte it has, and writes no byte twice", async () => {
  const { url, requests } = await serve(rest(bytes, 5 * MIB + 1), status(503), rest(bytes, 0), rest(bytes));
  const medium = new TestMedium("S1", 64 * MIB);
  const offsets: number[] = [];
  const proof = await writeImage(jobFor(url, medium, { written: (o) => offsets.push(o) }));
  expect(proof.ok && proof.value.resumed).toBe(3);
  expect(medium.peek(0, bytes.length).equals(bytes)).toBe(true);
  expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
  const starts = requests.map((r) => Number(/\d+/.exec(r.headers.range ?? "")?.[0]));
  expect(starts[0]).toBe(0);
  for (const start of starts.slice(1)) expect(offsets).toContain(start);
});

it("goes on from where an earlier life of the program stopped, and hashes what that one wrote", async () => {
  const { url, requests } = await serve(rest(bytes));
  const medium = new TestMedium("S1", 64 * MIB).plant(0, bytes.subarray(0, 4 * MIB));
  const proof = await writeImage(jobFor(url, medium, { from: 4 * MIB }));
  expect(proof.ok && proof.value.wireSha256).toBe(image.sha256);
  expect(requests.map((r) => r.headers.range)).toEqual([`bytes=${4 * MIB}-`]);

  const other = new TestMedium("S2", 64 * MIB).plant(0, Buffer.alloc(4 * MIB, 7));
  const refused = await writeImage(jobFor(url, other, { from: 4 * MIB }));
  expect(refused.ok ? "" : refused.problem.code).toBe("verify_failed");
  expect(refused.ok ? "" : refused.problem.detail).toContain(`up to byte ${4 * MIB}`);
});

it.each<[string, Answer]>([
  ["there is none", status(404)],
  ["it is another version, so all of it is sent", (_q, response) => response.writeHead(200).end(bytes)],
  ["it ends before the range", status(416)],
  ["it has another length", rest(Buffer.concat([bytes, bytes]))],
  [
    "another range is sent than was asked for",
    (_q, response) =>
      response.writeHead(206, { "content-range": `bytes 5-${bytes.length - 1}/${bytes.length}` }).end("x"),
  ],
])("refuses an image that is not the planned one, and writes nothing: %s", async (_name, answer) => {
  const { url } = await serve(answer);
  const medium = new TestMedium("S1", 64 * MIB);
  const refused = await writeImage(jobFor(url, medium));
  expect(refused.ok ? "" : refused.problem.code).toBe("image_unavailable");
  expect(medium.writes).toBe(0);
});

it("writes nothing past the end of the image, however much is sent", async () => {
  const { url } = await serve((_q, response) => {
    response.writeHead(206, { "content-range": `bytes 0-${bytes.length - 1}/${bytes.length}` });
    response.end(Buffer.concat([bytes, bytes]));
  });
  const medium = new TestMedium("S1", 64 * MIB);
  const refused = await writeImage(jobFor(url, medium));
  expect(refused.ok ? "" : refused.problem.code).toBe("image_unavailable");
  expect(medium.peek(bytes.length, bytes.length).every((b) => b === 0)).toBe(true);
});

it("refuses what came over the wire with other bytes, and a drive that gives back other bytes", async () => {
  const altered = Buffer.from(bytes);
  altered[5 * MIB] = (altered[5 * MIB] ?? 0) ^ 1;
  const wire = await serve(rest(altered));
  const refused = await writeImage(jobFor(wire.url, new TestMedium("S1", 64 * MIB)));
  expect(refused.ok ? "" : refused.problem).toMatchObject({ code: "verify_failed" });
  expect(refused.ok ? "" : refused.problem.detail).toContain("came over the wire");
  server?.close();

  const { url } = await serve(rest(bytes));
  const liar = new TestMedium("S1", 64 * MIB);
  liar.lies = true;
  const lie = await writeImage(jobFor(url, liar));
  expect(lie.ok ? "" : lie.problem.code).toBe("verify_failed");
  expect(lie.ok ? "" : lie.problem.detail).toContain("gives back other bytes");
});

it("refuses an image larger than the drive before it asks for it", async () => {
  const { url, requests } = await serve(rest(bytes));
  const refused = await writeImage(jobFor(url, new TestMedium("S1", MIB)));
  expect(refused.ok ? "" : refused.problem.code).toBe("write_failed");
  expect(requests).toEqual([]);
});

it("throws the drive's own failure, in writing and in reading back", async () => {
  const { url } = await serve(rest(bytes));
  const medium = new TestMedium("S1", 64 * MIB);
  medium.broken = 6 * MIB;
  await expect(writeImage(jobFor(url, medium))).rejects.toThrow("Input/output error");
});

it("stops at once when the power goes: nothing is written after that", async () => {
  const power = new AbortController();
  const { url } = await serve(rest(bytes, 5 * MIB), rest(bytes));
  const medium = new TestMedium("S1", 64 * MIB);
  const writing = writeImage(
    jobFor(url, medium, { signal: power.signal, written: () => power.abort(new Error("power off")) }),
  );
  await expect(writing).rejects.toThrow("power off");
  expect(medium.writes).toBe(1);
});
