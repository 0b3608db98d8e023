import type { Millis } from "../../../shared/deps.ts";
import type { BootRef } from "../../../shared/protocol/agent.ts";
import type { CommandState, RamdiskCommand } from "../../../shared/protocol/ramdisk.ts";
import type { Sql } from "../../../shared/sql.ts";

/** One try to bring a machine through netboot. It outlives a restart of the agent; leases do not. */
export interface Boot {
  id: string;
  nonce: string;
  job: string;
  device: string;
  mac: string;
  serial: string;
  openedAt: Millis;
  endsAt: Millis;
  /** When its machine last asked for the boot script and was given the RAM environment. */
  fetchedAt: Millis | null;
  helloAt: Millis | null;
  /** As the firmware told it to the RAM environment. */
  helloSerial: string | null;
  firstBootAt: Millis | null;
  osSerial: string | null;
  bootedFrom: string | null;
  closedAt: Millis | null;
  closedWhy: string | null;
}

export interface BootCommand {
  command: RamdiskCommand;
  /** The last state that the RAM environment told, once it ended; null before. */
  state: CommandState | null;
}

export interface Boots {
  open(boot: Pick<Boot, "id" | "nonce" | "job" | "device" | "mac" | "serial" | "openedAt" | "endsAt">): void;
  byNonce(nonce: string): Boot | undefined;
  /** The open boot of this job and device. */
  of(job: string, device: string): Boot | undefined;
  /** The newest boot of this job and device, open or closed. */
  last(job: string, device: string): Boot | undefined;
  ofMac(mac: string): Boot[];
  /** Whether any boot, open or closed, was for this MAC. */
  knowsMac(mac: string): boolean;
  /** All that are open. */
  all(): Boot[];
  refs(): BootRef[];
  /** The open ones that would end within this time end later. */
  keep(ending: { from: Millis; below: Millis }, endsAt: Millis): void;
  /** The first value counts, but for the boot fetch, where the last one does. */
  fetched(id: string, at: Millis): void;
  hello(id: string, at: Millis, serial: string): void;
  firstBoot(id: string, at: Millis, serial: string, bootedFrom: string): void;
  close(id: string, at: Millis, why: string): void;
  commands(boot: string): BootCommand[];
  addCommand(boot: string, command: RamdiskCommand): void;
  endCommand(boot: string, state: CommandState): void;
}

interface BootRow {
  id: string;
  nonce: string;
  job: string;
  device: string;
  mac: string;
  serial: string;
  opened_at: number;
  ends_at: number;
  fetched_at: number | null;
  hello_at: number | null;
  hello_serial: string | null;
  first_boot_at: number | null;
  os_serial: string | null;
  booted_from: string | null;
  closed_at: number | null;
  closed_why: string | null;
}

const boot = (row: BootRow): Boot => ({
  id: row.id,
  nonce: row.nonce,
  job: row.job,
  device: row.device,
  mac: row.mac,
  serial: row.serial,
  openedAt: row.opened_at,
  endsAt: row.ends_at,
  fetchedAt: row.fetched_at,
  helloAt: row.hello_at,
  helloSerial: row.hello_serial,
  firstBootAt: row.first_boot_at,
  osSerial: row.os_serial,
  bootedFrom: row.booted_from,
  closedAt: row.closed_at,
  closedWhy: row.closed_why,
});

/** Closed boots are kept this long, so that a late phone-home can be told from one that nobody knows. */
const KEEP_CLOSED_MS = 7 * 86_400_000;

export function boots(sql: Sql): Boots {
  const one = (row: BootRow | undefined) => row && boot(row);
  return {
    open(b) {
      sql.transact(() => {
        const old = b.openedAt - KEEP_CLOSED_MS;
        sql.run("DELETE FROM command WHERE boot IN (SELECT id FROM boot WHERE closed_at < ?)", old);
        sql.run("DELETE FROM boot WHERE closed_at < ?", old);
        sql.run(
          `INSERT INTO boot (id, nonce, job, device, mac, serial, opened_at, ends_at, n)
           SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1 + coalesce(max(n), 0) FROM boot WHERE device = ?4`,
          b.id,
          b.nonce,
          b.job,
          b.device,
          b.mac.toLowerCase(),
          b.serial,
          b.openedAt,
          b.endsAt,
        );
      });
    },
    byNonce: (nonce) => one(sql.get<BootRow>("SELECT * FROM boot WHERE nonce = ?", nonce)),
    of: (job, device) =>
      one(sql.get<BootRow>("SELECT * FROM boot WHERE closed_at IS NULL AND job = ? AND device = ?", job, device)),
    last: (job, device) =>
      one(sql.get<BootRow>("SELECT * FROM boot WHERE device = ? AND job = ? ORDER BY n DESC LIMIT 1", device, job)),
    knowsMac: (mac) => sql.get("SELECT 1 FROM boot WHERE mac = ? LIMIT 1", mac.toLowerCase()) !== undefined,
    ofMac: (mac) =>
      sql.all<BootRow>("SELECT * FROM boot WHERE closed_at IS NULL AND mac = ?", mac.toLowerCase()).map(boot),
    all: () => sql.all<BootRow>("SELECT * FROM boot WHERE closed_at IS NULL").map(boot),
    refs: () => sql.all<{ job: string; device: string }>("SELECT job, device FROM boot WHERE closed_at IS NULL"),
    keep: ({ from, below }, endsAt) =>
      sql.run(
        "UPDATE boot SET ends_at = ? WHERE closed_at IS NULL AND ends_at > ? AND ends_at < ?",
        endsAt,
        from,
        below,
      ),
    fetched: (id, at) => sql.run("UPDATE boot SET fetched_at = ? WHERE id = ?", at, id),
    hello(id, at, serial) {
      sql.run(
        "UPDATE boot SET hello_at = ?, hello_serial = ? WHERE id = ? AND hello_at IS NULL",
        at,
        serial.slice(0, 200),
        id,
      );
    },
    firstBoot(id, at, serial, from) {
      sql.run(
        "UPDATE boot SET first_boot_at = ?, os_serial = ?, booted_from = ? WHERE id = ? AND first_boot_at IS NULL",
        at,
        serial.slice(0, 200),
        from.slice(0, 200),
        id,
      );
    },
    close(id, at, why) {
      sql.run("UPDATE boot SET closed_at = ?, closed_why = ? WHERE id = ? AND closed_at IS NULL", at, why, id);
    },
    commands: (id) =>
      sql
        .all<{ body: string; state: string | null }>("SELECT body, state FROM command WHERE boot = ? ORDER BY n", id)
        .map((row) => ({
          command: JSON.parse(row.body) as RamdiskCommand,
          state: row.state === null ? null : (JSON.parse(row.state) as CommandState),
        })),
    addCommand(id, command) {
      sql.run(
        `INSERT INTO command (boot, n, id, kind, body)
         SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4 FROM command WHERE boot = ?1`,
        id,
        command.id,
        command.kind,
        JSON.stringify(command),
      );
    },
    endCommand(id, state) {
      sql.run(
        "UPDATE command SET state = ? WHERE boot = ? AND id = ? AND state IS NULL",
        JSON.stringify(state),
        id,
        state.id,
      );
    },
  };
}
