/**
 * `npm run demo:takeover`: a control plane is taken over, with every credential that it has, and tries to wipe servers in
 * service. The agent and the simulated data center are the real ones. Exit code 0: each try was refused by the agent with
 * its code, no drive changed, and no machine felt anything.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { startSimulator } from "../../agents/simulator/simulator.ts";
import type { ApprovedPlan, SigningKey } from "../../shared/model/approval.ts";
import type { Plan } from "../../shared/model/plan.ts";
import { serverInstall } from "../../workers/workflows/server-install.ts";
import { serverReinstall } from "../../workers/workflows/server-reinstall.ts";
import { listAtAgent } from "./start/approvers.ts";
import { Child } from "./start/child.ts";
import { runPaths } from "./start/paths.ts";
import {
  netbootUrl,
  prepareAgent,
  prepareImages,
  preparePorts,
  prepareSecrets,
  readJsonFile,
} from "./start/prepare.ts";
import { type Attack, approval, attacks, type People, planOf, slipIn } from "./takeover/attacks.ts";
import { type ControlPlane, leaseOf, startControlPlane } from "./takeover/control-plane.ts";
import { harm, lookAt } from "./takeover/evidence.ts";
import { planDevice, plantData, site } from "./takeover/site.ts";

const SPEED = 600;
const Secrets = z.record(z.string(), z.object({ username: z.string(), password: z.string() }));
const say = (line = "") => void process.stdout.write(`${line}\n`);

function newKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { x = "" } = publicKey.export({ format: "jwk" });
  return { x, sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64url") };
}

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "turnup-takeover-"));
  const paths = runPaths(folder);
  const people: People = { anna: newKey(), ben: newKey(), attacker: newKey() };
  const closing: (() => unknown)[] = [];
  try {
    const control = await startControlPlane();
    closing.push(() => control.close());
    const [ports] = await Promise.all([preparePorts(paths), prepareSecrets(paths, site), prepareImages(paths, site)]);
    const simulator = await startSimulator({
      site,
      dir: paths.sim.dir,
      secrets: (await readJsonFile(paths.sim.secrets, Secrets)) ?? {},
      netbootUrl: netbootUrl(ports),
      speed: SPEED,
      faults: { faults: [] },
      seed: 1,
      onDefect: (machine, cause) => process.stderr.write(`simulator: ${machine}: ${String(cause)}\n`),
    });
    closing.push(() => simulator.close());
    const disks = join(paths.sim.dir, "disks");
    plantData(disks);
    await prepareAgent(paths, { controlPlane: control.url, name: "takeover-a", ports, speed: SPEED });
    writeFileSync(paths.agent.enrolToken, "one-time\n", { mode: 0o600 });
    // Who may approve is told to the agent on its own machine, before anything else.
    const listed = (["anna", "ben"] as const).map((person) => ({ person, key: people[person].x }));
    listAtAgent(paths, listed, Date.now());
    const agent = new Child(
      { name: "agent", script: "agents/site/main.ts", args: ["--config", paths.agent.config] },
      {
        cwd: folder,
        logs: paths.logs,
        pids: paths.pids,
        say,
        givenUp: (reason) => process.stderr.write(`${reason.message}\n`),
      },
    );
    agent.start();
    closing.push(() => agent.stop(5_000));

    const ran = await honestly(control, people);
    const where = { disks, witness: paths.sim.witness };
    const before = lookAt(where);
    say("\nThe control plane is taken over. It has every credential, and the agent obeys nobody else.\n");
    const tries = attacks(ran, people);
    const failures = await attack(control, tries);
    const list = { revision: 1, approvers: listed };
    const slipped = await control.changeList(slipIn(list, people));
    say(
      `an approver slipped into the agent's own list: ${slipped ? `refused by agent: ${slipped}` : "TAKEN by agent"}`,
    );
    if (slipped !== "approval_invalid") failures.push("the agent's own list was changed by a forged signature");
    const counted = await refusals(ports.metrics);
    say(`\nThe agent counted ${counted.total} refusals: ${counted.codes.join(", ")}.`);
    failures.push(...harm(before, where));
    if (counted.total !== tries.length + 1)
      failures.push(`the agent counted ${counted.total} of ${tries.length + 1} refusals`);
    if (failures.length === 0) {
      say(
        `All ${before.disks.size} drives have the hashes they had; no machine felt a power change, a boot or a write.`,
      );
      return 0;
    }
    for (const failure of failures) say(`NOT HELD: ${failure}`);
    say(`The agent's log ends:\n${agent.logTail(20)}`);
    return 1;
  } finally {
    for (const close of closing.reverse()) await close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the owners do: three servers go into service, and one is reinstalled by an approval of both people. */
async function honestly(control: ControlPlane, { anna, ben }: People): Promise<ApprovedPlan> {
  const numbers = [1, 2, 3];
  const installs = numbers.map((n) => planOf(serverInstall, planDevice(n, "planned"), {}));
  say("Three servers are installed and go into service.");
  await Promise.all(installs.map((plan) => carryOut(control, plan)));
  const plan = planOf(serverReinstall, planDevice(2, "active"), { mode: "keep-data" });
  const ran = { plan, approvals: [approval(plan, "anna", anna), approval(plan, "ben", ben)] };
  control.plans.set(plan.id, ran);
  say("anna and ben approve that compute-02 is reinstalled; the agent checks it and does it.");
  await carryOut(control, plan);
  return ran;
}

/** All steps of a plan of one server, in their order. */
async function carryOut(control: ControlPlane, plan: Plan): Promise<void> {
  for (const { n, name } of plan.steps) {
    const { outcome, failure } = await control.run(leaseOf(plan, n));
    if (outcome === "succeeded") continue;
    throw new Error(`${name} of ${plan.targets[0]?.name} ended ${outcome}: ${failure?.code} ${failure?.detail}`);
  }
}

/** Tries them one by one; returns those that did not end as they must. */
async function attack(control: ControlPlane, all: Attack[]): Promise<string[]> {
  const out: string[] = [];
  for (const { name, told, lease, code } of all) {
    control.plans.set(told.plan.id, told);
    const { outcome, failure } = await control.run(lease);
    const said = outcome === "failed" ? `refused by agent: ${failure?.code}` : `${outcome.toUpperCase()} by agent`;
    say(`${name} (${lease.action} on ${lease.target.name}): ${said}`);
    if (failure?.code !== code) out.push(`${name}: ${code} was wanted; ${failure?.detail ?? outcome}`);
  }
  return out;
}

/** As anybody who watches the agent sees it. */
async function refusals(port: number): Promise<{ total: number; codes: string[] }> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const found = [...text.matchAll(/^turnup_agent_(?:acts|approver_changes)_refused_total\{code="(\w+)"\} (\d+)$/gm)];
  return {
    total: found.reduce((sum, [, , n]) => sum + Number(n), 0),
    codes: found.map(([, code, n]) => `${n} ${code}`),
  };
}

process.exit(await main());
