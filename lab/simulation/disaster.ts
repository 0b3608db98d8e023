/**
 * The disaster drill: an export is kept, the site's object is lost or replaced, an admin restores the export into a new
 * object and releases it once the agents have told what they did (docs/decisions/0012). Agents that the restored site does
 * not know are replaced, and those that do not come back are left out.
 */
import { ExportHeader } from "../../shared/model/site-export.ts";
import { WINDOW_MS, windowKey } from "../../workers/audit-window.ts";
import { disagreement } from "../../workers/site/core/agreement.ts";
import { untold } from "../../workers/site/core/hold.ts";
import { sha256 } from "../../workers/site/platform.ts";
import type { People } from "./people.ts";
import type { Stream } from "./random.ts";
import type { SiteObject } from "./site-object.ts";
import { ACTOR, type World } from "./world.ts";

const MINUTE = 60_000;
/** Exports kept, of the present generation. */
const KEPT = 4;
const RESTORES = 2;
/** So often is an agent waited for before the site is released without it. */
const PATIENCE = 6;

type Export = readonly string[];

export class Disaster {
  /** From the loss of an object until the restored one is released. */
  busy = false;
  readonly #world: World;
  readonly #people: People;
  readonly #random: Stream;
  #exports: Export[] = [];
  #restores = 0;

  constructor(world: World, people: People) {
    this.#world = world;
    this.#people = people;
    this.#random = world.sim.stream("disaster");
    this.keepExport();
  }

  keepExport(): void {
    if (this.busy) return;
    const { site, sim } = this.#world;
    const lines = exportOf(site);
    if (!lines) return;
    this.#exports = [...this.#exports, lines].slice(-KEPT);
    // Whatever the moment, what is exported can be restored.
    const fault = disagreement(site.sql, headerOf(lines), sha256);
    if (fault !== undefined) sim.violate("E1", `an export that would be refused: ${fault}`);
  }

  /** The object is gone, and after a while somebody restores an export; a new one, or one that is rather old. */
  lose(): boolean {
    if (!this.#begins()) return false;
    this.#world.site.loseObject();
    this.#world.sim.clock.after(this.#soonOrLater(10 * MINUTE), () => void this.#restore());
    return true;
  }

  /** An export is restored although the object is at work. */
  replace(): boolean {
    if (!this.#begins()) return false;
    void this.#restore();
    return true;
  }

  /** Some do all at once, as by a script. */
  #soonOrLater(most: number): number {
    return this.#random.chance(0.4) ? this.#random.between(1_000, 10_000) : this.#random.between(10_000, most);
  }

  #begins(): boolean {
    if (this.busy || this.#restores === RESTORES || this.#exports.length === 0) return false;
    this.#restores += 1;
    this.busy = true;
    return true;
  }

  async #restore(): Promise<void> {
    const { site, sim, readModel } = this.#world;
    const lines = this.#random.pick(this.#exports) ?? [];
    // What was exported before is of another history from now on.
    this.#exports = [];
    sim.say(`people restore an export of ${lines.length} lines`);
    const object = site.emptyObject();
    const view = await this.#load(object, lines);
    await readModel.register(view);
    const before = site.register(object);
    sim.say(`generation ${site.generation} is the site, on hold`);
    site.tell("outbox.rebuild", { actor: ACTOR });
    if (!before.lost && !sim.faults.strikes("fence of an old object lost"))
      before.tell("site.fence", { generation: site.generation });
    this.#releaseLater(1, undefined);
  }

  /** In pieces, each told again where the answer to it was lost, or for no reason. */
  async #load(object: SiteObject, lines: Export) {
    const { sim, site } = this.#world;
    const restore = `r${site.generation + 1}`;
    const header = headerOf(lines);
    const hash = sha256(lines.map((line) => `${line}\n`).join(""));
    const begin = { restore, header, generation: site.generation + 1, sha256: hash, lines: lines.length };
    const told = <T>({ reply }: { reply: { ok: true; value: T } | { ok: false; problem: { detail: string } } }): T => {
      if (!reply.ok) throw new Error(`restore: ${reply.problem.detail}`);
      return reply.value;
    };
    told(object.tell("restore.begin", begin));
    for (let from = 1; from < lines.length; ) {
      await sim.clock.pause(this.#random.between(20, 2_000));
      const piece = lines.slice(from, from + this.#random.between(20, 400));
      const load = () => told(object.tell("restore.load", { restore, from, lines: piece }));
      load();
      if (this.#random.chance(0.2)) load();
      from += piece.length;
    }
    told(object.tell("restore.check", { restore }));
    if (exportOf(object)?.join("\n") !== lines.join("\n"))
      sim.violate("E1", `generation ${site.generation + 1} does not export what it was restored from`);
    told(object.tell("restore.finish", { restore }));
    return told(object.tell("restore.finish", { restore }));
  }

  #releaseLater(tries: number, acceptLoss: string | undefined): void {
    this.#world.sim.clock.after(this.#soonOrLater(3 * MINUTE), () => this.#release(tries, acceptLoss));
  }

  #release(tries: number, acceptLoss: string | undefined): void {
    const { site, sim, hosts } = this.#world;
    const missing = untold(site.sql).filter(
      ({ id }) => tries > PATIENCE || hosts.find((h) => h.agentId === id)?.retired !== false,
    );
    const without = missing.map((agent) => agent.id);
    const { reply } = site.tell("site.release", { actor: ACTOR, without, ...(acceptLoss && { acceptLoss }) });
    if (reply.ok) {
      const { resolved, unread, lost } = reply.value;
      sim.say(`released: ${resolved} resolved, ${unread.length} unread, ${lost.length} with lost events`);
      this.busy = false;
      // Jobs are paused again that were at the time of the export.
      if (sim.faults.calm) this.#people.resumeAll();
      this.#replaceUnknown();
      this.#auditLater();
      return;
    }
    const { code, detail } = reply.problem;
    sim.say(`not released: ${detail}`);
    if (code !== "ledger_behind" && code !== "agents_missing" && code !== "conflict")
      sim.violate("E1", `the restored site cannot be released: ${code}: ${detail}`);
    // Released already, by a try of which the answer was lost.
    else if (code === "conflict") this.busy = false;
    else this.#releaseLater(tries + 1, code === "ledger_behind" ? "the object was lost" : acceptLoss);
  }

  /** Agents that enrolled after the export: the site does not know their keys. */
  #replaceUnknown(): void {
    const { site, hosts, sim } = this.#world;
    const known = site.ask("agents", { presence: [] });
    if (!known.ok) return;
    for (const host of hosts) {
      if (host.retired || host.agentId === undefined || known.value.some((a) => a.id === host.agentId)) continue;
      sim.say(`${host.name} is not known any more`);
      host.goForGood();
    }
    if (!this.#people.gone && hosts.every((h) => h.retired)) this.#world.addHost();
  }

  /** As the cron does: until every machine has been read on which something unknown was done. */
  #auditLater(): void {
    const { site, sim } = this.#world;
    if (site.sql.get("SELECT 1 FROM unread LIMIT 1") === undefined) return;
    sim.clock.after(WINDOW_MS, () => {
      if (!this.busy) site.tell("audit.start", { window: windowKey(sim.clock.now), actor: "cron" });
      this.#auditLater();
    });
  }
}

const headerOf = (lines: Export): ExportHeader => ExportHeader.parse(JSON.parse(lines[0] ?? ""));

/** All lines but the one that proves them; undefined while the object gives none. */
function exportOf(object: Pick<SiteObject, "ask">): Export | undefined {
  const page = object.ask("export.page", { token: "drill", maxChars: 2 ** 30 });
  return page.ok ? page.value.lines : undefined;
}
