import { join } from "node:path";

/** Where things of a local run lie; all below `.turnup/` of the working directory. */
export function runPaths(cwd: string) {
  const dir = join(cwd, ".turnup");
  const agent = join(dir, "agent");
  const sim = join(dir, "sim");
  return {
    dir,
    lock: join(dir, "start.lock"),
    run: join(dir, "run.json"),
    endpoint: join(dir, "control-plane.json"),
    pids: join(dir, "pids"),
    logs: join(dir, "logs"),
    images: join(dir, "images"),
    approvers: join(dir, "approvers"),
    agent: {
      dir: agent,
      config: join(agent, "agent.yaml"),
      vault: join(agent, "vault.json"),
      key: join(agent, "key.json"),
      journal: join(agent, "journal.sqlite"),
      enrolToken: join(agent, "enrol-token"),
      ports: join(agent, "ports.json"),
    },
    sim: {
      dir: sim,
      site: join(sim, "site.json"),
      secrets: join(sim, "secrets.json"),
      connectTo: join(sim, "connect-to.json"),
      witness: join(sim, "witness.ndjson"),
      faults: join(sim, "faults.json"),
    },
  };
}
export type RunPaths = ReturnType<typeof runPaths>;
