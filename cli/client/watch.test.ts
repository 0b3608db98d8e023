import { describe, expect, it } from "vitest";
import type { JobEvent } from "../../shared/model/job.ts";
import { watchJob } from "./watch.ts";

const event = (seq: number, kind: JobEvent["kind"] = "step.running"): JobEvent => ({
  job: "job_1",
  seq,
  at: seq,
  kind,
  device: "dev_1",
  step: "identify",
  data: {},
});

/** A socket for each script: what it says, then how it ends. */
function world(scripts: (JobEvent | string)[][], missed: JobEvent[][] = []) {
  const opened: { url: string; protocols: string[] }[] = [];
  class FakeSocket extends EventTarget {
    closed = false;
    constructor(url: URL, protocols: string[]) {
      super();
      opened.push({ url: String(url), protocols });
      const script = scripts.shift() ?? [];
      queueMicrotask(() => {
        for (const item of script)
          this.dispatchEvent(
            new MessageEvent("message", { data: typeof item === "string" ? item : JSON.stringify(item) }),
          );
        this.dispatchEvent(new Event("close"));
      });
    }
    close() {
      this.closed = true;
    }
  }
  const asked: number[] = [];
  const deps = {
    client: {
      url: "https://turnup.example",
      token: "tok_x",
      events: async (_job: string, after: number) => {
        asked.push(after);
        return missed.shift() ?? [];
      },
    },
    WebSocket: FakeSocket as unknown as typeof WebSocket,
    sleep: async () => undefined,
  };
  return { deps, opened, asked };
}

async function take(deps: Parameters<typeof watchJob>[0], n: number, after = 0): Promise<number[]> {
  const stop = new AbortController();
  const seen: number[] = [];
  for await (const one of watchJob(deps, "job_1", after, stop.signal)) {
    seen.push(one.seq);
    if (seen.length === n) break;
  }
  return seen;
}

describe("watching a job", () => {
  it("asks for what comes after, with the token as a subprotocol", async () => {
    const { deps, opened } = world([[event(5)]]);
    expect(await take(deps, 1, 4)).toEqual([5]);
    expect(opened).toEqual([
      { url: "wss://turnup.example/v1/jobs/job_1/watch?after=4", protocols: ["turnup.v1", "bearer.tok_x"] },
    ]);
  });

  it("[L6] gives each stored event once and in order when the stream breaks and overlaps", async () => {
    const { deps, opened, asked } = world(
      [
        [event(1), event(2)],
        [event(3), event(4), event(5)],
      ],
      [[event(2), event(3), event(4)]],
    );
    expect(await take(deps, 5)).toEqual([1, 2, 3, 4, 5]);
    expect(asked).toEqual([1]);
    expect(opened[1]?.url).toMatch(/after=4$/);
  });

  it("passes on progress, which is not numbered", async () => {
    const { deps } = world([[event(1), event(0, "step.progress"), event(0, "step.progress"), event(2)]]);
    expect(await take(deps, 4)).toEqual([1, 0, 0, 2]);
  });

  it("[L6] loses no event to progress that carries its number and comes before it", async () => {
    const { deps } = world([[event(1), event(3, "step.progress"), event(2), event(3, "target.state"), event(4)]]);
    expect(await take(deps, 5)).toEqual([1, 3, 2, 3, 4]);
  });

  it("polls where no stream can be opened", async () => {
    const { deps, asked } = world([[], [], []], [[event(1)], [event(1), event(2)], [event(2), event(3)]]);
    expect(await take(deps, 3)).toEqual([1, 2, 3]);
    expect(asked).toEqual([0, 0, 1]);
  });

  it("ends when the last event that it saw is there no more: the site was set back", async () => {
    const { deps } = world([[event(1), event(2), event(3)]], [[]]);
    expect(await take(deps, 9)).toEqual([1, 2, 3]);
  });

  it("[C5] passes over what it does not understand", async () => {
    const { deps } = world([["ok", "{", '{"kind":"new"}', event(1)]]);
    expect(await take(deps, 1)).toEqual([1]);
  });

  it("ends when it is told to", async () => {
    const { deps } = world([]);
    const stop = new AbortController();
    stop.abort();
    const events = [];
    for await (const one of watchJob(deps, "job_1", 0, stop.signal)) events.push(one);
    expect(events).toEqual([]);
  });
});
