/**
 * The word of `known` closest to `word`, or undefined when none is close enough to be a slip of the pen. One that goes
 * on where `word` ends, after a separator, is closer than any other: Ethernet49 means Ethernet49/1, not Ethernet4.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const wanted = word.toLowerCase();
  const longer = known.find((candidate) => wanted !== "" && goesOn(wanted, candidate.toLowerCase()));
  if (longer !== undefined) return longer;
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 2)) + 1;
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

const goesOn = (start: string, whole: string): boolean =>
  whole.startsWith(start) && /^[^a-z0-9]/.test(whole.slice(start.length));

/** Levenshtein's distance, or `limit` as soon as it cannot be less. */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const swap = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const cell = Math.min(swap, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      row.push(cell);
      least = Math.min(least, cell);
    }
    if (least >= limit) return limit;
    previous = row;
  }
  return Math.min(previous[b.length] ?? limit, limit);
}

/** `one of a, b, c`, cut after a dozen. */
export function oneOf(known: Iterable<string>, limit = 12): string {
  const all = [...known];
  if (all.length === 0) return "nothing: there is none";
  const shown = all.slice(0, limit).join(", ");
  return all.length > limit ? `one of ${shown}, … (${all.length} in all)` : `one of ${shown}`;
}

/** What to write for a name that is not known: the nearest one, else what there is. */
export function instead(word: string, known: readonly string[]): string {
  return nearest(word, known) ?? oneOf(known);
}
