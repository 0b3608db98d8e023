import { z } from "zod";
import { json, newApi, PUBLIC, route } from "./route.ts";

const Health = z.object({ status: z.literal("ok"), version: z.string(), now: z.number() });
export const VERSION = "0.1.0";

export const health = () =>
  newApi().openapi(
    route(
      {
        method: "get",
        path: "/v1/health",
        auth: PUBLIC,
        tags: ["Health"],
        summary: "Whether the control plane answers",
      },
      { 200: json(Health, "It does.") },
    ),
    (c) => c.json({ status: "ok" as const, version: VERSION, now: c.var.deps.clock.now() }, 200),
  );
