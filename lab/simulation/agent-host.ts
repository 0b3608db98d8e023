/**
 * A host with an agent: its disk, its clock, and the lives of the process on it. The agent is the real one; what it
 * takes from its platform is simulated, and ends with its life.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { type Agent, startAgent } from "../../agents/site/agent.ts";
import { AgentConfig } from "../../agents/site/config.ts";
import type { HttpRequest, HttpResponse } from "../../agents/site/http.ts";
import type { Socket, SocketEvents } from "../../agents/site/link/doorbell.ts";
import { errorText, type Log } from "../../agents/site/log.ts";
import { makeMetrics } from "../../agents/site/metrics.ts";
import type { ImageStore } from "../../agents/site/netboot/images.ts";
import type { NetbootRequest, NetbootResponse } from "../../agents/site/netboot/routes.ts";
import { memoryVault } from "../../agents/site/vault.ts";
import { openSql } from "../../agents/sql/node-sqlite.ts";
import { actionSpec, isActionName } from "../../shared/actions/index.ts";
import type { EnrollRequest, Lease, SyncReply } from "../../shared/protocol/agent.ts";
import { LEASE_TTL_MS } from "../../shared/protocol/agent.ts";
import { Killed, type Life, MortalSql } from "./mortal-sql.ts";
import type { Stream } from "./random.ts";
import type { Sim } from "./sim.ts";
import { IMAGE, IMAGE_BYTES } from "./site-plan.ts";

/** What a host is connected to. */
export interface Outside {
  /** To the control plane; the host is told by its name. */
  post(host: AgentHost, life: Life, request: HttpRequest): Promise<HttpResponse>;
  socket(host: AgentHost, life: Life, token: string, events: SocketEvents): Socket;
  bmc(host: AgentHost, life: Life, request: HttpRequest): Promise<HttpResponse>;
  /** A process has ended. */
  died(host: AgentHost): void;
}

/** A lease in the hands of a living process, as seen on the wire: by what rule L3 says, and not by the agent's own count. */
export interface SeenLease {
  lease: Lease;
  /** By the run's clock. */
  until: number;
  longestCallMs: number;
}

const metrics = makeMetrics();
const vault = memoryVault(
  Object.fromEntries(
    Array.from({ length: 20 }, (_, n) => [`vault:sim01/bmc/${n}`, { username: "root", password: "hunter2-hunter2" }]),
  ),
);
const config = AgentConfig.parse({
  controlPlane: "http://127.0.0.1:1",
  name: "sim",
  stateDir: "/nowhere",
  vault: "/nowhere",
  images: "/nowhere",
  netboot: { host: "127.0.0.1", port: 1 },
});
const images: ImageStore = {
  find: async (name) => (name === IMAGE.name ? IMAGE : undefined),
  async *read(_, start, end) {
    yield IMAGE_BYTES.subarray(start, end + 1);
  },
};

export class AgentHost {
  readonly name: string;
  readonly url: string;
  /** How far its wall clock is off. */
  skewMs = 0;
  /** Refused by the control plane: it will work no more. */
  retired = false;
  /** Switched off until then. */
  awayUntil = 0;
  readonly seen = new Map<string, SeenLease>();
  readonly #sim: Sim;
  readonly #outside: Outside;
  readonly #token: string;
  readonly #random: Stream;
  readonly #disk = openSql(":memory:");
  readonly #key: { publicKey: EnrollRequest["publicKey"]; private: KeyObject };
  #life: Life = { alive: false };
  #agent: Agent | undefined;

  constructor(sim: Sim, name: string, enrolToken: string, outside: Outside) {
    this.#sim = sim;
    this.name = name;
    this.url = `http://${name}.sim`;
    this.#token = enrolToken;
    this.#outside = outside;
    this.#random = sim.stream(`agent ${name}`);
    this.#key = makeKey(this.#random);
  }

  get alive(): boolean {
    return this.#life.alive;
  }
  /** Its id at the site, once it is enrolled. */
  get agentId(): string | undefined {
    this.#id ??= this.#journalled
      ? this.#disk.get<{ value: string }>("SELECT value FROM meta WHERE name = 'agent'")?.value
      : undefined;
    return this.#id;
  }
  #id: string | undefined;
  #journalled = false;

  /** The journal, read from outside: what is on the disk. */
  get journal(): Pick<ReturnType<typeof openSql>, "all" | "get"> {
    return this.#disk;
  }

  start(): void {
    if (this.#life.alive || this.retired) return;
    const away = this.awayUntil - this.#sim.clock.now;
    if (away > 0) return void this.#sim.clock.after(away, () => this.start());
    const life: Life = { alive: true };
    this.#life = life;
    this.seen.clear();
    this.#sim.say(`${this.name} starts`);
    const { clock } = this.#sim;
    const booted = clock.now;
    const live = <T>(work: () => T, dead: T): T => (life.alive ? work() : dead);
    try {
      if (this.#journalled && this.#disk.get("SELECT 1 FROM attempt")) this.#sim.coverage.rule("A2");
      this.#agent = startAgent(
        { ...config, name: this.name, netboot: { ...config.netboot, publicUrl: this.url } },
        {
          clock: { now: () => clock.now + this.skewMs, monotonic: () => clock.now - booted },
          timers: {
            after: (ms, fire) =>
              live(
                () =>
                  clock.after(ms, () => {
                    if (life.alive) guarded(fire);
                  }),
                () => undefined,
              ),
          },
          random: this.#random,
          log: this.#log(life),
          metrics,
          http: (request) => live(() => this.#outside.post(this, life, request), never()),
          openSocket: (_, protocols, events) =>
            live(() => this.#outside.socket(this, life, protocols[1]?.slice("bearer.".length) ?? "", events), silent),
          bmcHttp: (request) => live(() => this.#outside.bmc(this, life, request), never()),
          journal: new MortalSql(this.#disk, life, (when) => {
            const strikes = this.#sim.faults.strikes(`agent killed ${when} a journal write`);
            if (strikes) this.kill(`${when} a journal write`);
            return strikes;
          }),
          durable: () => live(() => this.#durable(life), never()),
          key: {
            publicKey: this.#key.publicKey,
            sign: (data) => sign(null, data, this.#key.private),
          },
          vault,
          images,
          enrolToken: () => this.#token,
        },
      );
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      return;
    }
    this.#journalled = true;
    void this.#agent.refused.then(({ code }) => {
      if (!life.alive) return;
      this.#sim.say(`${this.name} is refused: ${code}`);
      this.retired = true;
      this.kill("refused");
    });
  }

  kill(why: string): void {
    if (!this.#life.alive) return;
    this.#sim.say(`${this.name} dies: ${why}`);
    this.#life.alive = false;
    this.#agent = undefined;
    this.seen.clear();
    if (!this.retired) this.#outside.died(this);
  }

  /** It does not come back. */
  goForGood(): void {
    this.retired = true;
    this.kill("gone for good");
  }

  /** What a machine asks of it; undefined when nobody answers. */
  async door(request: NetbootRequest): Promise<NetbootResponse | undefined> {
    const life = this.#life;
    const agent = this.#agent;
    if (!life.alive || !agent) return undefined;
    try {
      const reply = await agent.netboot(request);
      return life.alive ? reply : undefined;
    } catch (error) {
      if (life.alive && !(error instanceof Killed))
        this.#sim.violate("defect", `netboot of ${this.name}: ${errorText(error)}`);
      return undefined;
    }
  }

  /** Keeps what a reply that came in says of leases, counted from when its request was sent (L3). */
  learn(sentAt: number, reply: SyncReply): void {
    for (const id of reply.renewed)
      for (const seen of this.seen.values()) if (seen.lease.id === id) seen.until = sentAt + LEASE_TTL_MS;
    for (const id of reply.revoked)
      for (const [device, seen] of this.seen) if (seen.lease.id === id) this.seen.delete(device);
    for (const lease of reply.leases) {
      const longestCallMs = isActionName(lease.action) ? actionSpec(lease.action).longestCallSeconds * 1000 : 0;
      this.seen.set(lease.target.device, { lease, until: sentAt + lease.ttlMs, longestCallMs });
    }
  }

  /** It says that these attempts have ended: it is in no call for them. */
  ended(leases: readonly string[]): void {
    for (const [device, seen] of this.seen) if (leases.includes(seen.lease.id)) this.seen.delete(device);
  }

  async #durable(life: Life): Promise<void> {
    await this.#sim.clock.pause(this.#random.between(1, 20));
    if (!life.alive) return never();
    if (this.#sim.faults.strikes("agent killed before a journal is durable")) {
      this.kill("before its journal is durable");
      return never();
    }
  }

  /** A defect that the agent itself tells of is one of the simulation's findings. */
  #log(life: Life): Log {
    return {
      debug() {},
      info() {},
      warn() {},
      error: (fields, text) => {
        if (life.alive && text.includes("defect"))
          this.#sim.violate("defect", `${this.name}: ${text} ${JSON.stringify(fields)}`);
      },
    };
  }
}

/** A process that was killed in the middle of a timer's work. */
function guarded(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);
const silent: Socket = { send() {}, close() {} };

/** An Ed25519 key made of the run's own randomness: PKCS #8 around 32 bytes. */
function makeKey(random: Stream): { publicKey: EnrollRequest["publicKey"]; private: KeyObject } {
  const raw = Buffer.alloc(32);
  for (let i = 0; i < 32; i += 4) raw.writeUInt32BE(random.uint32(), i);
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), raw]),
    format: "der",
    type: "pkcs8",
  });
  const { x } = createPublicKey(key).export({ format: "jwk" });
  return { publicKey: { kty: "OKP", crv: "Ed25519", x: x ?? "" }, private: key };
}
