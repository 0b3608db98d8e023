import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { root } from "../foreground.ts";
import { Child } from "./child.ts";

describe("a supervised process", { timeout: 30_000 }, () => {
  let dir = "";
  let child: Child | undefined;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "turnup-child-"));
    mkdirSync(join(dir, "out"));
  });
  afterEach(async () => {
    await child?.stop(2_000);
    rmSync(dir, { recursive: true });
  });

  function supervise(source: string, pausesMs?: number[]) {
    writeFileSync(join(dir, "it.mjs"), source);
    const said: string[] = [];
    const gaveUp: Error[] = [];
    child = new Child(
      { name: "it", script: relative(root, join(dir, "it.mjs")), args: [join(dir, "out")] },
      {
        cwd: dir,
        logs: join(dir, "logs"),
        pids: join(dir, "pids"),
        say: (line) => said.push(line),
        givenUp: (reason) => gaveUp.push(reason),
        ...(pausesMs && { pausesMs }),
      },
    );
    child.start();
    return { said, gaveUp, running: child };
  }
  async function until(what: () => boolean): Promise<void> {
    for (let n = 0; n < 500 && !what(); n++) await sleep(20);
    expect(what()).toBe(true);
  }
  const read = (file: string) => {
    try {
      return readFileSync(join(dir, file), "utf8").trim();
    } catch {
      return "";
    }
  };
  const STAYS = `import { writeFileSync } from "node:fs";
    writeFileSync(process.argv[2] + "/pid", String(process.pid));
    process.on("SIGTERM", () => { writeFileSync(process.argv[2] + "/drained", "yes"); process.exit(0); });
    setInterval(() => {}, 1000);`;

  it("is started again when it is killed, under a new pid in its file, and the run says so", async () => {
    const { said } = supervise(STAYS);
    await until(() => read("out/pid") !== "" && read("pids/it") === read("out/pid"));
    const first = read("out/pid");
    process.kill(Number(first), "SIGKILL");
    await until(() => read("out/pid") !== first && read("pids/it") === read("out/pid"));
    expect(said[0]).toMatch(/^it was ended by SIGKILL; it is started again/);
    expect(said[1]).toMatch(/^it runs again/);
  });

  it("is asked to end, and is not started again", async () => {
    const { running, said } = supervise(STAYS);
    await until(() => read("out/pid") !== "");
    await running.stop(5_000);
    expect(read("out/drained")).toBe("yes");
    expect(read("pids/it")).toBe("");
    expect(said).toEqual([]);
  });

  it("is ended for good when it does not listen", async () => {
    const { running } = supervise(STAYS.replace("process.exit(0);", ""));
    await until(() => read("out/pid") !== "");
    const pid = Number(read("out/pid"));
    await running.stop(100);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("is given up when it ends again and again, with the end of its log", async () => {
    const { gaveUp, running } = supervise('console.log("cannot work"); process.exit(7);', [5, 5]);
    await until(() => running.logTail().includes("cannot work"));
    await until(() => gaveUp.length === 1);
    expect(gaveUp[0]?.message).toMatch(/ended 3 times in a row[\s\S]*cannot work/);
  });
});
