/** What wrangler.toml binds. */
export interface Env {
  DB: D1Database;
  SITE: DurableObjectNamespace;
  FLEET: DurableObjectNamespace;
  ASSETS: Fetcher;
  /** The first admin: a Wrangler secret, at least 32 characters. Absent: only tokens made before work. */
  TURNUP_ADMIN_TOKEN?: string;
  /** "1" where the platform has no jurisdictions (workerd on one's own machine); the site keeps its recorded one. */
  TURNUP_LOCAL?: string;
}
