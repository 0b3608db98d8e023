import pino from "pino";

/** Structured lines for people. Nothing secret is passed in; redaction is the second line of defence (A7). */
export interface Log {
  debug(fields: Record<string, unknown>, text: string): void;
  info(fields: Record<string, unknown>, text: string): void;
  warn(fields: Record<string, unknown>, text: string): void;
  error(fields: Record<string, unknown>, text: string): void;
}

const secretNames = ["password", "Password", "token", "authorization", "Authorization", "x-auth-token", "X-Auth-Token"];

/** Logs JSON lines to the stream, standard output by default. */
export function makeLog(level: string, stream?: { write(line: string): void }): Log {
  const options = {
    level,
    base: null,
    redact: { paths: secretNames.flatMap((n) => [`["${n}"]`, `*["${n}"]`, `*.*["${n}"]`]), censor: "[secret]" },
  };
  return stream ? pino(options, stream) : pino(options, pino.destination({ sync: true }));
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** The message of whatever was thrown. */
export const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error));
