/**
 * Random numbers of one seed, in streams with names: what one part of the world draws changes nothing for another, so a
 * new fault does not reshuffle all others. 128 bits of state (xoshiro128**), as streams of a 32-bit generator are all
 * pieces of the same one and would meet.
 */
import type { Random } from "../../shared/deps.ts";

const rotl = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;

/** Spreads a number over 32 bits (the finaliser of MurmurHash3). */
function mix(x: number): number {
  let h = x >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export class Stream implements Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number, name: string) {
    let key = 0x811c9dc5;
    for (let i = 0; i < name.length; i++) key = Math.imul(key ^ name.charCodeAt(i), 0x01000193);
    this.#a = mix(seed);
    this.#b = mix(Math.floor(seed / 2 ** 32) + 0x9e3779b9);
    this.#c = mix(key);
    // Never all zero.
    this.#d = mix(seed ^ key) | 1;
    for (let i = 0; i < 16; i++) this.uint32();
  }

  uint32(): number {
    const out = Math.imul(rotl(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotl(this.#d, 11);
    return out;
  }

  /** From 0 up to, but not including, 1. */
  unit(): number {
    return this.uint32() / 2 ** 32;
  }
  chance(p: number): boolean {
    return this.unit() < p;
  }
  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.unit() * (to - from + 1));
  }
  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.unit() * list.length)];
  }
  shuffled<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.between(0, i);
      [out[i], out[j]] = [out[j] as T, out[i] as T];
    }
    return out;
  }
}
