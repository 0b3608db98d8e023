/**
 * What machines ask of the agent over HTTP, as a function from request to answer: the listening is elsewhere
 * (serve.ts), so a simulation can ask without a socket. Every phone-home is checked for its nonce (L5).
 */
import type { z } from "zod";
import type { Clock } from "../../../shared/deps.ts";
import { type ErrorCode, errorCatalog } from "../../../shared/errors.ts";
import { Mac } from "../../../shared/model/site.ts";
import {
  FirstBoot,
  RAMDISK_PROTOCOL,
  RamdiskHello,
  type RamdiskHelloReply,
  RamdiskPoll,
  type RamdiskPollReply,
} from "../../../shared/protocol/ramdisk.ts";
import { parseJson } from "../http.ts";
import type { Boot } from "../journal/boots.ts";
import type { Journal } from "../journal/journal.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Signals } from "../signals.ts";
import { bootScript, decideBoot, isArmed } from "./decide.ts";
import { byteRange, type ImageStore } from "./images.ts";
import { bootKey, type Machines } from "./machines.ts";

export interface NetbootRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: Record<string, string | undefined>;
  body: string;
  /** The other side's address, for the log. */
  from: string;
}
export interface NetbootResponse {
  status: number;
  headers: Record<string, string>;
  body: string | AsyncIterable<Uint8Array>;
}
export type Netboot = (request: NetbootRequest) => Promise<NetbootResponse>;

export interface NetbootOptions {
  journal: Journal;
  machines: Machines;
  images: ImageStore;
  signals: Signals;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** As machines reach the agent, without a slash at the end. */
  publicUrl: string;
  unknownHardware(): void;
}

const json = (status: number, body: unknown): NetbootResponse => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});
const problem = (status: number, code: ErrorCode, detail: string): NetbootResponse => ({
  ...json(status, { code, title: errorCatalog[code].title, detail, next: errorCatalog[code].next }),
  headers: { "content-type": "application/problem+json" },
});
const script = (body: string): NetbootResponse => ({ status: 200, headers: { "content-type": "text/plain" }, body });

export function netboot(o: NetbootOptions): Netboot {
  const { boots } = o.journal;

  /** The live boot of a nonce; closed and unknown ones are logged and change nothing (L5). */
  const live = (nonce: string, what: string, from: string): Boot | NetbootResponse => {
    const boot = boots.byNonce(nonce);
    if (boot && boot.closedAt === null && o.clock.now() < boot.endsAt) return boot;
    o.metrics.boots.inc({ event: "refused" });
    o.log.warn({ what, from, boot: boot?.id, closedWhy: boot?.closedWhy }, "a phone-home of no live boot was dropped");
    return problem(410, "boot_closed", "This nonce is of no live boot.");
  };
  const isBoot = (b: Boot | NetbootResponse): b is Boot => "nonce" in b;

  /** The body by its schema, or the refusal. */
  const body = <T extends z.ZodType>(schema: T, request: NetbootRequest): z.infer<T> | undefined => {
    const parsed = schema.safeParse(parseJson(request.body));
    return parsed.success ? parsed.data : undefined;
  };
  const malformed = () =>
    problem(400, "bad_request", "The message does not fit the protocol (shared/protocol/ramdisk.ts).");

  const ipxe = (request: NetbootRequest): NetbootResponse => {
    const mac = Mac.safeParse((request.query.get("mac") ?? "").toLowerCase().replaceAll("-", ":"));
    if (!mac.success) return script(bootScript({ kind: "disk", why: "no boot is armed" }, o.publicUrl));
    const now = o.clock.now();
    const decision = decideBoot(boots.ofMac(mac.data), mac.data, now);
    if (decision.kind === "ramdisk") {
      boots.fetched(decision.boot.id, now);
      o.metrics.boots.inc({ event: "fetch" });
      o.log.info({ boot: decision.boot.id, mac: mac.data }, "the machine asked for its boot script");
      o.signals.notify(bootKey(decision.boot.id));
    } else if (
      !boots.knowsMac(mac.data) &&
      o.journal.audits.noteUnknown(mac.data, `netboot from ${request.from}`, now)
    ) {
      o.log.warn({ mac: mac.data, from: request.from }, "a machine that nobody planned asked to boot");
      o.unknownHardware();
    }
    return script(bootScript(decision, o.publicUrl));
  };

  const env = (request: NetbootRequest): NetbootResponse => {
    const boot = live(request.query.get("nonce") ?? "", "env", request.from);
    if (!isBoot(boot)) return boot;
    if (!isArmed(boot, o.clock.now())) return problem(410, "boot_closed", "This boot has phoned home.");
    return json(200, { v: RAMDISK_PROTOCOL, boot: boot.id, agent: o.publicUrl, nonce: boot.nonce });
  };

  const hello = (request: NetbootRequest): NetbootResponse => {
    const message = body(RamdiskHello, request);
    if (!message) return malformed();
    const boot = live(message.nonce, "hello", request.from);
    if (!isBoot(boot)) return boot;
    const now = o.clock.now();
    if (boot.helloAt === null) {
      boots.hello(boot.id, now, message.serial);
      o.metrics.boots.inc({ event: "hello" });
      o.log.info({ boot: boot.id, serial: message.serial }, "the RAM environment phoned home");
    }
    o.machines.heard(boot.id);
    o.signals.notify(bootKey(boot.id));
    return json(200, { v: RAMDISK_PROTOCOL, boot: boot.id, now } satisfies z.infer<typeof RamdiskHelloReply>);
  };

  const poll = async (request: NetbootRequest): Promise<NetbootResponse> => {
    const message = body(RamdiskPoll, request);
    if (!message) return malformed();
    const boot = live(message.nonce, "poll", request.from);
    if (!isBoot(boot)) return boot;
    // The hello's answer may be lost with the agent that was to journal it: a poll proves as much, but tells no serial.
    if (boot.helloAt === null) return problem(409, "conflict", "Say hello first.");
    const command = await o.machines.poll(boot.id, message.commands);
    return json(200, { v: RAMDISK_PROTOCOL, ...(command && { command }) } satisfies RamdiskPollReply);
  };

  const firstBoot = (request: NetbootRequest): NetbootResponse => {
    const message = body(FirstBoot, request);
    if (!message) return malformed();
    const boot = live(message.nonce, "first-boot", request.from);
    if (!isBoot(boot)) return boot;
    if (boot.firstBootAt === null) {
      boots.firstBoot(boot.id, o.clock.now(), message.serial, message.bootedFrom);
      o.metrics.boots.inc({ event: "first_boot" });
      o.log.info({ boot: boot.id, from: message.bootedFrom }, "the installed system phoned home");
    }
    o.signals.notify(bootKey(boot.id));
    return json(200, { v: RAMDISK_PROTOCOL, boot: boot.id });
  };

  const image = async (request: NetbootRequest, name: string): Promise<NetbootResponse> => {
    const found = await o.images.find(name);
    if (!found) return problem(404, "image_unavailable", `There is no image ${name.slice(0, 128)}.`);
    const etag = `"${found.sha256}"`;
    // A range of another version of the file would be spliced into the first one's bytes.
    const sameFile = request.headers["if-range"] === undefined || request.headers["if-range"] === etag;
    const range = sameFile ? byteRange(request.headers.range, found.sizeBytes) : undefined;
    const headers = { "content-type": "application/octet-stream", "accept-ranges": "bytes", etag };
    if (range === "bad")
      return { status: 416, headers: { ...headers, "content-range": `bytes */${found.sizeBytes}` }, body: "" };
    const { start, end } = range ?? { start: 0, end: found.sizeBytes - 1 };
    return {
      status: range ? 206 : 200,
      headers: {
        ...headers,
        "content-length": String(end - start + 1),
        ...(range && { "content-range": `bytes ${start}-${end}/${found.sizeBytes}` }),
      },
      body: request.method === "HEAD" || found.sizeBytes === 0 ? "" : o.images.read(name, start, end),
    };
  };

  return async (request) => {
    const { method, path } = request;
    const reading = method === "GET" || method === "HEAD";
    if (reading && path === "/boot/ipxe") return ipxe(request);
    if (reading && path === "/boot/env.json") return env(request);
    if (reading && path.startsWith("/images/")) return image(request, path.slice("/images/".length));
    if (method === "POST" && path === "/ramdisk/v1/hello") return hello(request);
    if (method === "POST" && path === "/ramdisk/v1/poll") return poll(request);
    if (method === "POST" && path === "/os/v1/first-boot") return firstBoot(request);
    return problem(404, "not_found", "The agent has no such path.");
  };
}
