interface Screen {
  now: () => number;
  out: (line: string) => void;
  draw: (text: string) => void;
}

/** Lines are drawn again at most this often, ms. */
const FRAME_MS = 100;

const UP = (n: number) => (n > 0 ? `\x1b[${n}A` : "");
const CLEAR_LINE = "\x1b[2K";
const CLEAR_BELOW = "\x1b[0J";

/** Lines of a terminal that are drawn again in place. */
export class LiveLines {
  readonly #screen: Screen;
  #height = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #pending: readonly string[] | undefined;
  #shown: readonly string[] = [];

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Shows these lines; too soon after the last time they are kept until the next call or the end. */
  show(lines: readonly string[]): void {
    this.#pending = lines;
    const now = this.#screen.now();
    if (now - this.#drawnAt < FRAME_MS) return;
    this.#drawnAt = now;
    this.#flush();
  }

  /** Prints a line that stays, above the live ones. */
  note(line: string): void {
    this.#screen.draw(`${UP(this.#height)}\r${CLEAR_BELOW}`);
    this.#height = 0;
    this.#screen.out(line);
    this.#pending ??= this.#shown;
    this.#flush();
  }

  /** Shows what is still pending, for good. */
  end(): void {
    this.#flush();
    this.#height = 0;
    this.#drawnAt = Number.NEGATIVE_INFINITY;
    this.#shown = [];
  }

  #flush(): void {
    const lines = this.#pending;
    if (lines === undefined) return;
    this.#pending = undefined;
    const cleared = lines.length < this.#height ? CLEAR_BELOW : "";
    this.#screen.draw(`${UP(this.#height)}${lines.map((line) => `\r${CLEAR_LINE}${line}\n`).join("")}${cleared}`);
    this.#height = lines.length;
    this.#shown = lines;
  }
}
