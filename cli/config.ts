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
  if (url && !/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
    return refuse("usage", "TURNUP_URL is no URL: write one as in https://turnup.example.com.");
  if (url && token) return ok({ url, token });
  const local = readLocal(join(cwd, LOCAL_FILE));
  const found = { url: url || local?.url, token: token || local?.token };
  // A token of the local control plane is not sent to another one (A7).
  if (url && !token && local && new URL(local.url).origin !== new URL(url).origin)
    return refuse("no_control_plane", "TURNUP_URL is not the local one; set TURNUP_TOKEN too.");
  if (found.url && found.token) return ok({ url: found.url, token: found.token });
  const unset = url ? "TURNUP_TOKEN is" : token ? "TURNUP_URL is" : "TURNUP_URL and TURNUP_TOKEN are";
  return refuse("no_control_plane", `${unset} not set, and no control plane runs from this folder (${LOCAL_FILE}).`);
}

function readLocal(file: string): Endpoint | undefined {
  try {
    return LocalFile.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
