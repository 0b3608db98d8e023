interface Screen {
  columns: number | undefined;
  now: () => number;
  out: (line: string) => void;
  draw: (text: string) => void;
}

/** A terminal is drawn again at most this often, ms. */
const FRAME_MS = 100;
/** Where output is no terminal, changed lines are printed at most this often: a log of it stays readable. */
const PLAIN_MS = 2_000;

const UP = (n: number) => (n > 0 ? `\x1b[${n}A` : "");
const CLEAR_LINE = "\x1b[2K";
const CLEAR_BELOW = "\x1b[0J";

/** Lines that are drawn again in place on a terminal, and printed when they changed elsewhere. */
export class LiveLines {
  readonly #screen: Screen;
  #height = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #pending: readonly string[] | undefined;
  #printed: readonly string[] = [];

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Shows these lines; too soon after the last time they are kept until the next call or the end. */
  show(lines: readonly string[]): void {
    const now = this.#screen.now();
    this.#pending = lines;
    if (now - this.#drawnAt < (this.#screen.columns === undefined ? PLAIN_MS : FRAME_MS)) return;
    this.#drawnAt = now;
    this.#flush();
  }

  /** Prints a line that stays, above the live ones. */
  note(line: string): void {
    if (this.#screen.columns === undefined) {
      this.#screen.out(line);
      return;
    }
    this.#screen.draw(`${UP(this.#height)}\r${CLEAR_BELOW}`);
    this.#height = 0;
    this.#screen.out(line);
    this.#pending ??= this.#printed;
    this.#flush();
  }

  /** Shows what is still pending, for good. */
  end(): void {
    this.#flush();
    this.#height = 0;
    this.#drawnAt = Number.NEGATIVE_INFINITY;
    this.#printed = [];
  }

  #flush(): void {
    const lines = this.#pending;
    if (lines === undefined) return;
    this.#pending = undefined;
    if (this.#screen.columns === undefined) {
      for (const [i, line] of lines.entries()) if (line !== this.#printed[i]) this.#screen.out(line);
    } else {
      this.#screen.draw(`${UP(this.#height)}${lines.map((line) => `\r${CLEAR_LINE}${line}\n`).join("")}`);
      this.#height = lines.length;
    }
    this.#printed = lines;
  }
}
