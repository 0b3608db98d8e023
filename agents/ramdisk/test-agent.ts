import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type CommandState, type RamdiskCommand, RamdiskHello, RamdiskPoll } from "../../shared/protocol/ramdisk.ts";

/** The agent's side for machines, as far as the program sees it; it really listens, and may go away and come back. */
export class TestAgent {
  readonly hellos: RamdiskHello[] = [];
  readonly polls: RamdiskPoll[] = [];
  readonly ranges: string[] = [];
  /** The next answers to a hello, before those with 200. */
  helloStatuses: number[] = [];
  /** The next answers to a poll, before the real ones. */
  pollStatuses: number[] = [];
  /** Answers 410 to all: the boot has ended. */
  closed = false;
  image: Buffer = Buffer.alloc(0);
  /** Image bytes past this offset are held back until `release`. */
  holdAt: number | undefined;
  release: () => void = () => undefined;
  #hold = new Promise<void>((resolve) => {
    this.release = resolve;
  });
  #server: Server | undefined;
  #port = 0;
  #commands: { command: RamdiskCommand; alongside: boolean }[] = [];
  #states = new Map<string, CommandState>();
  #wake: (() => void) | undefined;
  #watchers = new Set<() => void>();

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async up(): Promise<void> {
    const server = createServer((request, response) => {
      this.#handle(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  async down(): Promise<void> {
    const server = this.#server;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    this.#wake?.();
  }

  /** Each is given when those before it have ended. */
  command(...commands: RamdiskCommand[]): void {
    this.#commands.push(...commands.map((command) => ({ command, alongside: false })));
    this.#wake?.();
  }

  /** Given at once, whatever is at work. */
  alongside(...commands: RamdiskCommand[]): void {
    this.#commands.push(...commands.map((command) => ({ command, alongside: true })));
    this.#wake?.();
  }

  /** Another boot begins. */
  forget(): void {
    this.#commands = [];
    this.#states.clear();
  }

  /** Closes the boot, and tells whoever polls. */
  closeBoot(): void {
    this.closed = true;
    this.#wake?.();
  }

  /** Resolves with the state of a command once it has ended. */
  async ended(id: string): Promise<CommandState> {
    await this.until(() => this.#states.has(id) && this.#states.get(id)?.state !== "running");
    return this.#states.get(id) as CommandState;
  }

  /** Resolves when the condition holds; it is looked at after each request. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = chunks.length === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString()) as unknown);
    const json = (status: number, value: object) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      for (const look of [...this.#watchers]) look();
    };
    if (request.url?.startsWith("/images/")) return this.#sendImage(request, response);
    if (request.url === "/ramdisk/v1/hello") {
      this.hellos.push(RamdiskHello.parse(body));
      const status = this.closed ? 410 : (this.helloStatuses.shift() ?? 200);
      return json(status, { v: 1, boot: "boot_1", now: 0 });
    }
    if (request.url !== "/ramdisk/v1/poll") return json(404, {});
    const poll = RamdiskPoll.parse(body);
    this.polls.push(poll);
    if (this.closed) return json(410, { code: "boot_closed" });
    const status = this.pollStatuses.shift();
    if (status !== undefined) return json(status, {});
    this.#wake?.();
    let changed = false;
    for (const state of poll.commands) {
      const before = this.#states.get(state.id);
      changed ||= before?.state !== state.state || before.percent !== state.percent;
      this.#states.set(state.id, state);
    }
    const busy = poll.commands.some((c) => c.state === "running");
    const next = () => {
      const first = this.#commands.find((c) => !poll.commands.some((s) => s.id === c.command.id));
      return busy && !first?.alongside ? undefined : first?.command;
    };
    if (!changed && !next()) {
      for (const look of [...this.#watchers]) look();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.closed) return json(410, { code: "boot_closed" });
    const command = next();
    json(200, { v: 1, ...(command && { command }) });
  }

  async #sendImage(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const range = request.headers.range ?? "";
    this.ranges.push(range);
    for (const look of [...this.#watchers]) look();
    const { image, holdAt } = this;
    const from = Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0);
    response.writeHead(206, {
      "content-length": image.length - from,
      "content-range": `bytes ${from}-${image.length - 1}/${image.length}`,
    });
    if (holdAt !== undefined && from <= holdAt) {
      response.write(image.subarray(from, holdAt));
      await this.#hold;
    }
    response.end(image.subarray(Math.max(from, holdAt ?? 0)));
  }
}
