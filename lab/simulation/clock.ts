/** Virtual time: one queue of what is to happen, in the order of time and then of when it was asked for. */

interface Entry {
  at: number;
  order: number;
  fire: (() => void) | undefined;
}

/** When every run begins, Unix ms. */
export const START = 1_800_000_000_000;

export class VirtualClock {
  /** The coordinator's wall clock, Unix ms. */
  now = START;
  #order = 0;
  readonly #heap: Entry[] = [];

  /** Has this happen after so many ms; returns how to call it off. */
  after(ms: number, fire: () => void): () => void {
    const entry: Entry = { at: this.now + Math.max(0, Math.ceil(ms)), order: this.#order++, fire };
    this.#push(entry);
    return () => {
      entry.fire = undefined;
    };
  }

  /** A promise for after so many ms. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Goes on to the next event and starts it; false when there is none, or none until then. */
  step(until = Number.POSITIVE_INFINITY): boolean {
    for (let top = this.#heap[0]; top && top.at <= until; top = this.#heap[0]) {
      this.#pop();
      if (!top.fire) continue;
      this.now = top.at;
      top.fire();
      return true;
    }
    return false;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Entry;
      if (before(above, entry)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right && before(right, heap[child] as Entry)) child += 1;
      const below = heap[child] as Entry;
      if (before(last, below)) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = last;
  }
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
