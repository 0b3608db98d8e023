import { describe, expect, it } from "vitest";
import { openSql } from "../../sql/node-sqlite.ts";
import { openJournal } from "../journal/journal.ts";
import { fakeTime } from "../testing/fake-time.ts";
import { replyOf } from "../testing/fixtures.ts";
import { succession } from "./succession.ts";

const ledger = (seq: number, hash = `h${seq}`) => ({ seq, hash });

function setUp() {
  const time = fakeTime();
  const journal = openJournal(openSql(":memory:"), async () => {});
  const writes: string[] = [];
  const { set } = journal.meta;
  journal.meta.set = (name, value) => {
    writes.push(`${name} ${value}`);
    set(name, value);
  };
  return { time, writes, begin: () => succession(journal, time.clock) };
}

describe("what the agent has seen of its site", () => {
  it("[L2] refuses a lower generation, also after a restart", () => {
    const { begin } = setUp();
    const site = begin();
    expect(site.refuses(replyOf({}))).toBeUndefined();
    expect(site.refuses(replyOf({ generation: 3 }))).toBeUndefined();
    expect(site.refuses(replyOf({ generation: 2 }))).toContain("generation 2");
    expect(site.refuses(replyOf({}))).toContain("generation 1");
    expect(begin().refuses(replyOf({ generation: 2 }))).toContain("generation 3 was seen");
    expect(begin().refuses(replyOf({ generation: 3 }))).toBeUndefined();
    expect(begin().told()).toEqual({ generation: 3 });
  });

  it("[E1] refuses a ledger that was set back or has another event in its place", () => {
    const { begin } = setUp();
    const site = begin();
    expect(site.refuses(replyOf({ ledger: ledger(7) }))).toBeUndefined();
    expect(site.refuses(replyOf({ ledger: ledger(9) }))).toBeUndefined();
    expect(site.refuses(replyOf({ ledger: ledger(9) }))).toBeUndefined();
    expect(site.refuses(replyOf({ ledger: ledger(8) }))).toContain("does not extend event 9");
    expect(site.refuses(replyOf({ ledger: ledger(9, "other") }))).toContain("does not extend");
    expect(site.told()).toEqual({ generation: 1, head: { generation: 1, ...ledger(9) } });
  });

  it("tells a restored site on hold what it knows of the old history, and follows the new one after the release", () => {
    const { begin } = setUp();
    const site = begin();
    site.refuses(replyOf({ ledger: ledger(9) }));
    expect(site.refuses(replyOf({ generation: 2, hold: true, ledger: ledger(5) }))).toBeUndefined();
    expect(site.told()).toEqual({ generation: 2, head: { generation: 1, ...ledger(9) } });
    expect(site.refuses(replyOf({ generation: 2, ledger: ledger(6, "new") }))).toBeUndefined();
    expect(begin().told()).toEqual({ generation: 2, head: { generation: 2, ...ledger(6, "new") } });
  });

  it("writes a head at most once a minute, and not the same one twice", async () => {
    const { begin, writes, time } = setUp();
    const site = begin();
    for (let seq = 1; seq <= 30; seq++) {
      site.refuses(replyOf({ ledger: ledger(seq) }));
      await time.advance(10_000);
    }
    expect(writes.length).toBe(5);
    const before = writes.length;
    for (let i = 0; i < 30; i++) {
      site.refuses(replyOf({ ledger: ledger(30) }));
      await time.advance(10_000);
    }
    expect(writes.length).toBe(before + 1);
  });
});
