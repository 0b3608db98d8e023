/** The description of the API, and a page that shows it; the page's script is served by us, so it needs no network. */
import { html } from "hono/html";
import { VERSION } from "./health.ts";
import { type Api, declaredAuth, PUBLIC, routeKey } from "./route.ts";

export const openApiHead = {
  openapi: "3.1.0",
  info: {
    title: "Turnup",
    version: VERSION,
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    description:
      "Installs, replaces and retires servers and network gear. Errors are problem+json with a stable `code` and what to do `next`; every POST takes an `Idempotency-Key`.",
  },
};

export function describeApi(app: Api): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    description: "An API token with a role (viewer, operator, approver, admin), perhaps limited to some sites.",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "agent", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "An agent's own token: EdDSA, at most five minutes.",
  });
  for (const path of ["/openapi.json", "/docs", "/docs/", "/"]) declaredAuth.set(routeKey("get", path), PUBLIC);
  app.doc31("/openapi.json", openApiHead);
  for (const path of ["/", "/docs/"]) app.get(path, (c) => c.redirect("/docs"));
  app.get("/docs", (c) => {
    // Only what comes from here may run or be loaded; the styles are the script's own.
    c.header(
      "content-security-policy",
      "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:",
    );
    return c.html(html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Turnup API</title>
  </head>
  <body>
    <script id="api-reference" data-url="/openapi.json" data-configuration='{"withDefaultFonts":false,"hideClientButton":true,"telemetry":false,"agent":{"disabled":true},"mcp":{"disabled":true},"showDeveloperTools":"never"}'></script>
    <script src="/docs/scalar.js"></script>
    <noscript>The description of the API is at <a href="/openapi.json">/openapi.json</a>.</noscript>
  </body>
</html>`);
  });
}
