import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { forgetAll, takeLock } from "./lock.ts";
import { runPaths } from "./paths.ts";

describe("the lock of a local run", () => {
  let dir = "";
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "turnup-lock-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("is had by one, and free again when released", () => {
    const paths = runPaths(dir);
    const first = takeLock(paths);
    expect(first).toBeDefined();
    expect(takeLock(paths)).toBeUndefined();
    first?.release();
    const second = takeLock(paths);
    expect(second).toBeDefined();
    second?.release();
  });

  it("is held while everything else is forgotten", () => {
    const paths = runPaths(dir);
    const lock = takeLock(paths);
    writeFileSync(paths.run, "{}");
    forgetAll(paths);
    expect(existsSync(paths.run)).toBe(false);
    expect(takeLock(paths)).toBeUndefined();
    lock?.release();
  });

  it("is free after its holder was killed", () => {
    const script = `
      const { takeLock } = await import(${JSON.stringify(join(import.meta.dirname, "lock.ts"))});
      const { runPaths } = await import(${JSON.stringify(join(import.meta.dirname, "paths.ts"))});
      if (!takeLock(runPaths(${JSON.stringify(dir)}))) process.exit(9);
      process.kill(process.pid, "SIGKILL");`;
    const held = spawnSync(process.execPath, ["--input-type=module", "--eval", script]);
    expect(held.signal).toBe("SIGKILL");
    const lock = takeLock(runPaths(dir));
    expect(lock).toBeDefined();
    lock?.release();
  });
});
