import { expect, it } from "vitest";
import { hardwareMs, parseConfig } from "./config.ts";

const good = `
controlPlane: http://127.0.0.1:8787
name: ams01-a
stateDir: state
vault: vault.json
images: ../images
netboot: { host: 127.0.0.1, port: 8080 }
`;

it("takes a small file, fills the defaults and counts paths from the file's folder", () => {
  const config = parseConfig(good, "/etc/turnup/agent.yaml");
  expect(config.ok && config.value).toMatchObject({
    stateDir: "/etc/turnup/state",
    images: "/etc/images",
    maxParallel: 64,
    bmc: { pollMs: 1000 },
    timing: { speed: 1 },
  });
});

it("names every fault by its place", () => {
  const config = parseConfig(`${good.replace("ams01-a", "Not A Name")}bmc: { polMs: 3 }\n`, "agent.yaml");
  expect(config.ok).toBe(false);
  if (config.ok) return;
  expect(config.problem.detail).toContain("name: 1 to 63");
  expect(config.problem.detail).toContain("polMs");
});

it("[S2] refuses plain http beyond the machine itself", () => {
  expect(parseConfig(good.replace("127.0.0.1:8787", "turnup.example.com"), "agent.yaml").ok).toBe(false);
  expect(parseConfig(good.replace("http://127.0.0.1:8787", "https://turnup.example.com"), "agent.yaml").ok).toBe(true);
});

it("divides only the hardware's time by the speed", () => {
  expect(hardwareMs({ speed: 60 }, 600)).toBe(13_000);
});
