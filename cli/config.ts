import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Outcome, ok, refuse } from "../shared/errors.ts";

/** What a control plane on this machine writes when it listens, mode 0600. */
export const LOCAL_FILE = join(".turnup", "control-plane.json");
const LocalFile = z.object({ url: z.url(), token: z.string().min(1) });

export interface Endpoint {
  url: string;
  token: string;
}

/** Where the control plane is: TURNUP_URL and TURNUP_TOKEN, else what runs from this folder. */
export function findEndpoint(env: Record<string, string | undefined>, cwd: string): Outcome<Endpoint> {
  const { TURNUP_URL: url, TURNUP_TOKEN: token } = env;
  if (url && token) {
    if (z.url().safeParse(url).success) return ok({ url, token });
    return refuse("bad_request", "TURNUP_URL is not a URL.");
  }
  const local = readLocal(join(cwd, LOCAL_FILE));
  const found = { url: url || local?.url, token: token || local?.token };
  // A token of the local control plane is not sent to another one.
  if (url && !token && local && new URL(local.url).origin !== safeOrigin(url)) found.token = undefined;
  if (found.url && found.token) return ok({ url: found.url, token: found.token });
  return refuse(
    "unauthenticated",
    `${found.url ? "TURNUP_TOKEN is" : "TURNUP_URL and TURNUP_TOKEN are"} not set, and no control plane runs from this folder (${LOCAL_FILE}): start one with \`npm start\`, or set them.`,
  );
}

function readLocal(file: string): Endpoint | undefined {
  try {
    return LocalFile.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

function safeOrigin(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).origin : undefined;
}
