/** What decisions may not take from the platform: time, randomness and hashing are passed in. */

/** Milliseconds since the Unix epoch, UTC. */
export type Millis = number;

export interface Clock {
  /** Wall clock, for people to read and for deadlines kept by one machine alone. */
  now(): Millis;
  /** Never goes back; its zero means nothing. Leases are counted on it (L3). */
  monotonic(): Millis;
}

export interface Random {
  /** A uniformly random unsigned 32-bit integer. */
  uint32(): number;
}

/** SHA-256 of UTF-8 text as 64 lower-case hex digits, synchronous (E1: never WebCrypto inside a transaction). */
export type Sha256 = (text: string) => string;
