import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type CommandState,
  FirstBoot,
  type RamdiskCommand,
  RamdiskHello,
  RamdiskPoll,
} from "../../../shared/protocol/ramdisk.ts";

export interface FakeAgentOptions {
  image: { name: string; sha256: string; bytes: Buffer };
  /** What each boot is told to do, in this order; the next follows when the one before has ended. */
  commands: readonly RamdiskCommand[];
  /** Cuts the first image downloads after so many bytes, one number per download. */
  cuts?: number[];
  /** Holds image bytes back past this offset until `release`. */
  holdAt?: number;
}

/** An agent's machine-facing side that really listens: boot decision, commands, image with ranges, first boot. */
export interface FakeAgent {
  url: string;
  /** Nonce by MAC of the boots that are armed. */
  armed: Map<string, string>;
  hellos: RamdiskHello[];
  /** The last told state of each command, by `nonce/id`. */
  states: Map<string, CommandState>;
  firstBoots: FirstBoot[];
  ranges: string[];
  /** Answers every request with this status while it is set. */
  outage: number | undefined;
  release(): void;
  close(): Promise<void>;
}

export async function fakeAgent(options: FakeAgentOptions): Promise<FakeAgent> {
  let released: () => void = () => undefined;
  const hold = new Promise<void>((resolve) => {
    released = resolve;
  });
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const agent: FakeAgent = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    armed: new Map(),
    hellos: [],
    states: new Map(),
    firstBoots: [],
    ranges: [],
    outage: undefined,
    release: () => released(),
    close() {
      released();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", agent.url);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = (): unknown => JSON.parse(Buffer.concat(chunks).toString());
    const json = (value: object, status = 200) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (agent.outage !== undefined) return void json({}, agent.outage);
    switch (pathname) {
      case "/boot/ipxe": {
        const nonce = agent.armed.get(searchParams.get("mac") ?? "");
        response.end(
          nonce === undefined
            ? "#!ipxe\nexit\n"
            : `#!ipxe\nkernel ${agent.url}/k turnup.agent=${agent.url} turnup.nonce=${nonce}\nboot\n`,
        );
        return;
      }
      case "/ramdisk/v1/hello":
        agent.hellos.push(RamdiskHello.parse(body()));
        return void json({ v: 1, boot: "b", now: 0 });
      case "/ramdisk/v1/poll": {
        const poll = RamdiskPoll.parse(body());
        for (const state of poll.commands) agent.states.set(`${poll.nonce}/${state.id}`, state);
        if (![...agent.armed.values()].includes(poll.nonce)) return void json({ code: "boot_closed" }, 410);
        const busy = poll.commands.some((c) => c.state !== "succeeded");
        const command = busy ? undefined : options.commands[poll.commands.length];
        // The real one holds an idle poll open for longer.
        if (!command) await new Promise((resolve) => setTimeout(resolve, 20));
        return void json({ v: 1, ...(command && { command }) });
      }
      case "/os/v1/first-boot":
        agent.firstBoots.push(FirstBoot.parse(body()));
        return void json({});
      case `/images/${options.image.name}`:
        return sendImage(request, response);
      default:
        json({}, 404);
    }
  }

  async function sendImage(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { bytes, sha256 } = options.image;
    const range = request.headers.range ?? "";
    agent.ranges.push(range);
    const from = Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0);
    response.writeHead(206, {
      etag: `"${sha256}"`,
      "content-length": bytes.length - from,
      "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
    });
    const cut = options.cuts?.shift();
    const stop = options.holdAt !== undefined && from < options.holdAt ? options.holdAt : undefined;
    if (cut !== undefined) {
      response.write(bytes.subarray(from, from + cut), () => response.destroy());
      return;
    }
    if (stop !== undefined) {
      response.write(bytes.subarray(from, stop));
      await hold;
    }
    response.end(bytes.subarray(stop ?? from));
  }
  return agent;
}

/** The usual install of one drive. */
export function installCommands(
  serial: string,
  sizeBytes: number,
  image: { name: string; sha256: string; sizeBytes: number },
  agentUrl: () => string,
): RamdiskCommand[] {
  const medium = { medium: "med_x", serial, sizeBytes };
  return [
    { kind: "inventory", id: "1" },
    { kind: "prove-blank", id: "2", medium },
    {
      kind: "write-image",
      id: "3",
      medium,
      image,
      get url() {
        return `${agentUrl()}/images/${image.name}`;
      },
    },
    {
      kind: "boot-disk",
      id: "4",
      medium,
      get phoneHome() {
        return `${agentUrl()}/os/v1/first-boot`;
      },
    },
  ];
}
