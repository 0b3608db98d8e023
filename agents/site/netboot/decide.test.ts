import fc from "fast-check";
import { expect, it } from "vitest";
import type { Boot } from "../journal/boots.ts";
import { bootScript, decideBoot } from "./decide.ts";

const boot = (more: Partial<Boot> = {}): Boot => ({
  id: "bot_1",
  nonce: "n1",
  job: "job",
  device: "dev",
  mac: "3c:ec:ef:00:10:01",
  serial: "S",
  openedAt: 1000,
  endsAt: 9000,
  fetchedAt: null,
  helloAt: null,
  helloSerial: null,
  firstBootAt: null,
  osSerial: null,
  bootedFrom: null,
  closedAt: null,
  closedWhy: null,
  ...more,
});

it("[A5] gives the same answer while armed, however often it is asked", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1000, max: 8999 })), (times) => {
      const fetched = boot({ fetchedAt: 1500 });
      for (const now of times)
        expect(decideBoot([fetched], fetched.mac.toUpperCase(), now)).toEqual({ kind: "ramdisk", boot: fetched });
    }),
  );
});

it("[A5] says boot from disk after the phone-home, after the end, and to whoever is not expected", () => {
  const mac = boot().mac;
  expect(decideBoot([boot({ helloAt: 2000 })], mac, 3000)).toMatchObject({
    kind: "disk",
    why: "the boot has phoned home",
  });
  expect(decideBoot([boot()], mac, 9000)).toMatchObject({ kind: "disk", why: "the boot has ended" });
  expect(decideBoot([boot({ closedAt: 2000 })], mac, 3000).kind).toBe("disk");
  expect(decideBoot([boot()], "3c:ec:ef:00:10:02", 3000).kind).toBe("disk");
  expect(decideBoot([], "", 3000).kind).toBe("disk");
});

it("puts nothing but the agent and the nonce on the kernel's command line", () => {
  const script = bootScript({ kind: "ramdisk", boot: boot() }, "http://agent:8080");
  expect(script).toContain("turnup.agent=http://agent:8080 turnup.nonce=n1");
  expect(bootScript({ kind: "disk", why: "no boot is armed" }, "http://agent:8080")).not.toContain("nonce");
});
