import { describe, expect, it } from "vitest";
import { LiveLines } from "./live.ts";

function screen() {
  const written: string[] = [];
  const clock = { now: 0 };
  const lines = new LiveLines({
    now: () => clock.now,
    out: (line) => void written.push(`${line}\n`),
    draw: (text) => void written.push(text),
  });
  return { lines, written, clock };
}

/** What a terminal shows after these bytes: the few control sequences that LiveLines uses. */
function shown(bytes: string): string[] {
  const rows = [""];
  let row = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it reads control sequences
  for (const part of bytes.match(/\x1b\[\d*[AKJ]|\r|\n|[^\x1b\r\n]+/g) ?? []) {
    if (part === "\n") {
      row += 1;
      rows[row] ??= "";
    } else if (part.endsWith("A") && part.startsWith("\x1b")) row -= Number(part.slice(2, -1));
    else if (part === "\x1b[2K") rows[row] = "";
    else if (part === "\x1b[0J") rows.splice(row, rows.length, "");
    else if (part !== "\r") rows[row] += part;
  }
  return rows;
}

describe("live lines", () => {
  it("are drawn again in place on a terminal", () => {
    const { lines, written, clock } = screen();
    lines.show(["a 1", "b 1"]);
    clock.now = 1_000;
    lines.show(["a 2", "b 1"]);
    expect(shown(written.join(""))).toEqual(["a 2", "b 1", ""]);
  });

  it("are not drawn more often than a frame, and the last state is never lost", () => {
    const { lines, written, clock } = screen();
    for (let i = 0; i <= 50; i++) {
      clock.now = i;
      lines.show([`a ${i}`]);
    }
    expect(written).toHaveLength(1);
    lines.end();
    expect(shown(written.join(""))).toEqual(["a 50", ""]);
  });

  it("a note stays above them", () => {
    const { lines, written, clock } = screen();
    lines.show(["a 1"]);
    lines.note("agent restarted");
    clock.now = 1_000;
    lines.show(["a 2"]);
    expect(shown(written.join(""))).toEqual(["agent restarted", "a 2", ""]);
  });

  it("fewer lines leave none of the old ones behind", () => {
    const { lines, written, clock } = screen();
    lines.show(["a 1", "b 1"]);
    clock.now = 1_000;
    lines.show(["a 2"]);
    expect(shown(written.join(""))).toEqual(["a 2", ""]);
  });
});
