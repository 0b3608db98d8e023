import { z } from "zod";
import { SiteFile } from "./schema.ts";

/** The site file's schema as text, for editors: `docs/schema/site-v1.json`, which site files name in their first line. */
export const siteFileJsonSchema = (): string =>
  `${JSON.stringify(z.toJSONSchema(SiteFile, { io: "input" }), null, 2)}\n`;
