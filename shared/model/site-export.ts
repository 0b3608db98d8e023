/**
 * A site's tables as text, one line a row: a header, the rows table by table in the order of their keys, and a last line
 * that proves the lines before it. It holds what is true of the site and nothing else, so that export, restore and export
 * again give the same bytes.
 */
import { z } from "zod";
import { LedgerHead } from "../protocol/agent.ts";
import { Jurisdiction, LocationHint, SiteName } from "./site.ts";

export const EXPORT_FORMAT = 1;

/** What every format's first line has: by it one is told that is not known here. */
export const AnyExportHeader = z.looseObject({ turnup: z.literal("site-export"), format: z.number().int().min(1) });

export const ExportHeader = z.strictObject({
  ...AnyExportHeader.shape,
  /** Version of the tables; an older one is restored as it is and then migrated. */
  schema: z.number().int().min(1),
  site: z.string().regex(/^st_[0-9a-z]{10}$/),
  name: SiteName,
  locationHint: LocationHint,
  jurisdiction: Jurisdiction,
  generation: z.number().int().min(1),
  /** The highest epoch given. */
  epoch: z.number().int().min(0),
  ledger: LedgerHead,
});
export type ExportHeader = z.infer<typeof ExportHeader>;

/** A row: its table, and its columns by name. */
export const ExportRow = z.strictObject({
  t: z.string().max(64),
  r: z.record(z.string().max(64), z.union([z.string(), z.number(), z.null()])),
});
export type ExportRow = z.infer<typeof ExportRow>;

export const ExportEnd = z.strictObject({
  end: z.strictObject({
    /** Rows by table. */
    rows: z.record(z.string().max(64), z.number().int().min(1)),
    /** Lines before this one. */
    lines: z.number().int().min(1),
    /** SHA-256 over the lines before this one, each with its line feed: `head -n -1 FILE | sha256sum`. */
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
});
export type ExportEnd = z.infer<typeof ExportEnd>;

/** Why an export of this format cannot be read here, or undefined. */
export const formatFault = (format: number): string | undefined =>
  format === EXPORT_FORMAT ? undefined : `Its format is ${format}; this version of Turnup knows ${EXPORT_FORMAT}.`;
