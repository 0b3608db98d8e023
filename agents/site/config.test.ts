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
  expect(!config.ok && config.problem.detail.split("\n")).toEqual([
    "agent.yaml has 2 faults.",
    'agent.yaml: name: value_out_of_range name is "Not A Name". Write: name: 1 to 63 lower-case letters, digits and hyphens, as ams01-a',
    'agent.yaml: bmc.polMs: unknown_key there is no key "polMs" here. Write: pollMs',
  ]);
});

/** What is said of a file, without the first line and the file's name. */
function faultsOf(text: string): string[] {
  const config = parseConfig(text, "agent.yaml");
  if (config.ok) return [];
  return config.problem.detail
    .split("\n")
    .slice(1)
    .map((line) => line.slice("agent.yaml: ".length));
}

it("says in plain words what is missing and what would do", () => {
  expect(faultsOf("")).toEqual([expect.stringMatching(/^missing_key the file is empty\. Write: \{ controlPlane: /)]);
  expect(faultsOf("name: a\nnetboot: {}\n")).toEqual([
    "controlPlane: missing_key controlPlane is missing. Write: controlPlane: https://turnup.example.com",
    "stateDir: missing_key stateDir is missing. Write: stateDir: /var/lib/turnup-agent",
    "vault: missing_key vault is missing. Write: vault: /etc/turnup/vault.json",
    "images: missing_key images is missing. Write: images: /srv/turnup/images",
    "netboot.port: missing_key port is missing. Write: port: 8080",
  ]);
  const wrong = `${good}maxParallel: many\ntiming: { speed: 0 }\nlogLevel: loud\nmetrics: { port: 99999 }\n`;
  expect(faultsOf(wrong)).toEqual([
    "metrics.port: value_out_of_range port is 99999. Write: port: at most 65535",
    'maxParallel: wrong_type maxParallel is "many". Write: maxParallel: 64 # a number',
    "timing.speed: value_out_of_range speed is 0. Write: speed: more than 0",
    expect.stringMatching(
      /^logLevel: value_not_allowed logLevel is "loud"\. Write: one of debug, info, warn, error, silent$/,
    ),
  ]);
});

it("says once that a URL is none", () => {
  expect(faultsOf(good.replace("http://127.0.0.1:8787", "nonsense"))).toEqual([
    'controlPlane: value_out_of_range controlPlane is "nonsense". Write: controlPlane: a URL, as https://turnup.example.com',
  ]);
});

it("names the place of what is not YAML", () => {
  const config = parseConfig("name: a\nbmc: [\n", "agent.yaml");
  expect(!config.ok && config.problem.detail).toMatch(/^agent\.yaml:\d+:\d+ is not YAML: /);
  const lost = parseConfig("name: *nobody\n", "agent.yaml");
  expect(!lost.ok && lost.problem.detail).toMatch(/^agent\.yaml is not YAML: /);
});

it("[S2] refuses plain http beyond the machine itself", () => {
  expect(parseConfig(good.replace("127.0.0.1:8787", "turnup.example.com"), "agent.yaml").ok).toBe(false);
  expect(parseConfig(good.replace("http://127.0.0.1:8787", "https://turnup.example.com"), "agent.yaml").ok).toBe(true);
});

it("divides only the hardware's time by the speed", () => {
  expect(hardwareMs({ speed: 60 }, 600)).toBe(13_000);
});
