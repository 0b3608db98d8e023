import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findEndpoint, LOCAL_FILE } from "./config.ts";

describe("where the control plane is", () => {
  let dir = "";
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "turnup-config-"));
    mkdirSync(join(dir, ".turnup"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const local = (text: string) => writeFileSync(join(dir, LOCAL_FILE), text);
  const LOCAL = JSON.stringify({ url: "http://127.0.0.1:8787", token: "tok_local" });

  it("is what the environment says, first of all", () => {
    local(LOCAL);
    const found = findEndpoint({ TURNUP_URL: "https://turnup.example", TURNUP_TOKEN: "tok_env" }, dir);
    expect(found).toEqual({ ok: true, value: { url: "https://turnup.example", token: "tok_env" } });
  });

  it("else what runs from this folder", () => {
    local(LOCAL);
    expect(findEndpoint({}, dir)).toMatchObject({ ok: true, value: { token: "tok_local" } });
  });

  it("[A7] never sends the local token to another control plane", () => {
    local(LOCAL);
    expect(findEndpoint({ TURNUP_URL: "https://turnup.example" }, dir)).toMatchObject({
      ok: false,
      problem: { code: "no_control_plane", detail: "TURNUP_URL is not the local one; set TURNUP_TOKEN too." },
    });
    expect(findEndpoint({ TURNUP_URL: "http://127.0.0.1:8787" }, dir)).toMatchObject({ ok: true });
  });

  it("is refused in words when there is none", () => {
    for (const text of ["", "{", '{"url":"x"}']) {
      local(text);
      expect(findEndpoint({}, dir)).toMatchObject({ ok: false, problem: { code: "no_control_plane" } });
    }
    expect(findEndpoint({ TURNUP_URL: "https://turnup.example" }, dir)).toMatchObject({
      ok: false,
      problem: { code: "no_control_plane", detail: expect.stringMatching(/^TURNUP_TOKEN is not set/) },
    });
  });

  it.each(["notaurl", "localhost:8787", "ftp://turnup.example"])("is no %s", (url) => {
    for (const env of [{ TURNUP_URL: url }, { TURNUP_URL: url, TURNUP_TOKEN: "tok_env" }])
      expect(findEndpoint(env, dir)).toMatchObject({ ok: false, problem: { code: "usage" } });
  });
});
