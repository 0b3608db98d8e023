import { describe, expect, it } from "vitest";
import type { Cli } from "../context.ts";
import { turnup } from "../program.ts";
import { daemons } from "./daemons.ts";

async function run(...args: string[]) {
  const ran: unknown[] = [];
  const said: string[] = [];
  const hear = (line: string) => void said.push(line);
  const cli = { env: {}, cwd: "/", out: hear, err: hear } as unknown as Cli;
  const code = await turnup(
    args,
    cli,
    daemons(async (...all) => {
      ran.push(all);
      return 130;
    }),
  );
  return { code, ran, said: said.join("\n") };
}

describe("daemons as commands", () => {
  const started = [["agents/site/main.ts", ["--config", "a.yaml"]]];

  it.each([
    ["agent run --config a.yaml"],
    ["agent run --config=a.yaml"],
    ["agent --config a.yaml run"],
    ["agent --config a.yaml"],
  ])("turnup %s runs an agent, and ends as it does", async (line) => {
    expect(await run(...line.split(" "))).toMatchObject({ code: 130, ran: started });
  });

  it.each([["agent"], ["agent run"]])("turnup %s asks for the option", async (line) => {
    const { code, ran, said } = await run(...line.split(" "));
    expect({ code, ran }).toEqual({ code: 2, ran: [] });
    expect(said).toContain("--config");
  });

  it.each(["--speed 2 x", "--help"])("turnup sim %s passes everything on", async (line) => {
    expect(await run("sim", ...line.split(" "))).toMatchObject({
      code: 130,
      ran: [["agents/simulator/main.ts", line.split(" ")]],
    });
  });
});
