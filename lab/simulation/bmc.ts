/**
 * A BMC that may lie: the small Redfish service of the agent's own tests, behind a wire that takes time. Each write to it
 * is put before the witness when it is sent and when it ends.
 */
import { HttpFailure, type HttpRequest, type HttpResponse } from "../../agents/site/http.ts";
import { type FakeBmc, fakeBmc } from "../../agents/site/testing/fake-bmc.ts";
import type { AgentHost } from "./agent-host.ts";
import type { Life } from "./mortal-sql.ts";
import type { Stream } from "./random.ts";
import type { Sim } from "./sim.ts";

export interface Write {
  kind: "power.On" | "power.Off" | "bootOverride";
  /** The address that it was sent to. */
  to: string;
  /** The whole time that the caller gives it, ms. */
  timeoutMs: number;
}

export interface Witness {
  sent(host: AgentHost, write: Write): () => void;
}

/** A command of a BMC shows after this, ms. */
const POWER_SHOWS_MS = 3_000;

export class SimBmc {
  readonly #sim: Sim;
  readonly #random: Stream;
  readonly #witness: Witness;
  readonly #fake: FakeBmc;
  #downUntil = 0;
  #lie: { power: string; until: number } | undefined;

  constructor(sim: Sim, serial: string, witness: Witness, onPower: (power: "On" | "Off") => void) {
    this.#sim = sim;
    this.#random = sim.stream(`bmc ${serial}`);
    this.#witness = witness;
    this.#fake = fakeBmc(serial, {
      manufacturer: this.#random.pick(["Acme", "Dell Inc."]) ?? "Acme",
      etags: this.#random.pick(["none", "required", "weak"] as const) ?? "none",
      settings: this.#random.chance(0.3),
      noMode: this.#random.chance(0.2),
    });
    this.#fake.onPower = onPower;
  }

  get override(): FakeBmc["state"]["boot"] {
    return this.#fake.state.boot;
  }
  /** When it last told another power state than the real one. */
  liedAt = Number.NEGATIVE_INFINITY;
  /** The machine changed its power by itself. */
  show(power: "On" | "Off"): void {
    this.#fake.state.power = power;
  }

  /** Out of reach for so long; what it was set to stays. */
  goDown(ms: number): void {
    this.#downUntil = Math.max(this.#downUntil, this.#sim.clock.now + ms);
  }

  call(host: AgentHost, life: Life, request: HttpRequest): Promise<HttpResponse> {
    const { clock, faults } = this.#sim;
    const write = writeOf(request);
    // Without a session of this very BMC it is nothing that could be done.
    const known = this.#fake.state.sessions.has(request.headers?.["x-auth-token"] ?? "");
    const ended = write && known ? this.#witness.sent(host, write) : undefined;
    let wait = this.#random.between(3, 40);
    if (faults.strikes("BMC late")) wait = this.#random.between(2_000, 19_000);
    // It is done after nobody waits for it any more; the longest call of an action allows for that.
    if (faults.strikes("BMC late beyond the time-out")) wait = this.#random.between(20_000, 50_000);
    return new Promise((resolve, reject) => {
      const cancel = clock.after(request.timeoutMs, () => {
        if (life.alive) reject(new HttpFailure("timeout", "no answer"));
      });
      clock.after(wait, () => {
        const answer = this.#answer(request);
        ended?.();
        if (!answer) return;
        answer.then(
          (response) =>
            clock.after(this.#random.between(3, 20), () => {
              cancel();
              if (life.alive) resolve(response);
            }),
          (error) => {
            cancel();
            if (life.alive) reject(error);
          },
        );
      });
    });
  }

  /** Nothing while it is not there. */
  #answer(request: HttpRequest): Promise<HttpResponse> | undefined {
    const { clock, faults, say } = {
      clock: this.#sim.clock,
      faults: this.#sim.faults,
      say: (t: string) => this.#sim.say(t),
    };
    if (clock.now < this.#downUntil) return undefined;
    const { state, faults: own } = this.#fake;
    if (faults.strikes("BMC resets itself")) {
      say(`BMC of ${state.serial} resets itself`);
      this.#downUntil = clock.now + this.#random.between(20_000, 90_000);
      state.sessions.clear();
      Object.assign(state.boot, { BootSourceOverrideTarget: "None", BootSourceOverrideEnabled: "Disabled" });
      return undefined;
    }
    own.busy = faults.strikes("BMC busy") ? 1 : 0;
    own.dropSession = faults.strikes("BMC loses a session") ? 1 : 0;
    const write = writeOf(request);
    if (write) {
      own.mute = faults.strikes("BMC does a write without an answer") ? 1 : 0;
      own.lostPower = write.kind !== "bootOverride" && faults.strikes("BMC loses a power command") ? 1 : 0;
      own.ignoredBoot = write.kind === "bootOverride" && faults.strikes("BMC loses a boot override") ? 1 : 0;
      say(`BMC of ${state.serial} gets ${write.kind}${own.lostPower || own.ignoredBoot ? " and loses it" : ""}`);
      const before = state.power;
      const answer = this.#fake.handle(request);
      // A command that was taken shows a while later.
      if (state.power !== before) this.#settle(state.power);
      return answer;
    }
    if (faults.strikes("BMC lies about power"))
      this.#lie = {
        power: state.power === "On" ? "Off" : "On",
        until: clock.now + this.#random.between(1_000, 30_000),
      };
    const real = state.power;
    if (this.#lie && clock.now < this.#lie.until) {
      state.power = this.#lie.power;
      this.liedAt = clock.now;
    }
    // It answers in this very turn, so the lie does not outlast it.
    const answer = this.#fake.handle(request);
    state.power = real;
    return answer;
  }

  #settle(power: string): void {
    const { state } = this.#fake;
    const passing = power === "On" ? "PoweringOn" : "PoweringOff";
    state.power = passing;
    this.#sim.clock.after(POWER_SHOWS_MS, () => {
      if (state.power === passing) state.power = power;
    });
  }
}

function writeOf({ method, url, body, timeoutMs }: HttpRequest): Write | undefined {
  const write = { to: new URL(url).hostname, timeoutMs };
  if (method === "PATCH") return { kind: "bootOverride", ...write };
  if (method !== "POST" || !url.endsWith("ComputerSystem.Reset")) return undefined;
  const { ResetType } = JSON.parse(body ?? "{}") as { ResetType?: string };
  return { kind: ResetType === "On" ? "power.On" : "power.Off", ...write };
}
