import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fileVault } from "./vault.ts";

const secret = "correct-horse-battery";
const file = (text: string, mode = 0o600): string => {
  const path = join(mkdtempSync(join(tmpdir(), "turnup-vault-")), "vault.json");
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
};

it("gives a secret by its reference and says which is missing", () => {
  const vault = fileVault(file(JSON.stringify({ "vault:ams01/bmc/a": { username: "root", password: secret } })));
  if (!vault.ok) throw new Error(vault.problem.detail);
  expect(vault.value.get("vault:ams01/bmc/a")).toEqual({ ok: true, value: { username: "root", password: secret } });
  expect(vault.value.get("vault:ams01/bmc/b")).toMatchObject({ ok: false, problem: { code: "secret_missing" } });
  expect(vault.value.get("constructor").ok).toBe(false);
});

it("[A7] refuses a file that others may read", () => {
  expect(fileVault(file("{}", 0o640))).toMatchObject({
    ok: false,
    problem: { detail: expect.stringContaining("600") },
  });
});

it("[A7] does not quote the file in its refusal", () => {
  for (const text of [`{"vault:a": "${secret}"`, `{"vault:a": "${secret}"}`, secret])
    expect(JSON.stringify(fileVault(file(text)))).not.toContain(secret);
});

it("reads a changed file again", () => {
  const path = file("{}");
  const vault = fileVault(path);
  if (!vault.ok) throw new Error(vault.problem.detail);
  writeFileSync(path, JSON.stringify({ "vault:x": { username: "u", password: "p" } }));
  expect(vault.value.get("vault:x").ok).toBe(true);
});
