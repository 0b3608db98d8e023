/** The site's core with a watcher who looks at each transaction, right after it. */

import type { Sql } from "../../shared/sql.ts";
import type { Applied, CommandKind, Commands, Now } from "../../workers/site/core/commands.ts";
import { SiteCore } from "../../workers/site/core/core.ts";
import { sha256, verifyEd25519 } from "../../workers/site/platform.ts";
import type { Watch } from "./watch.ts";
import { workflows } from "./workflows.ts";

export class WatchedCore extends SiteCore {
  readonly #watch: Watch;

  constructor(sql: Sql, watch: Watch) {
    super(sql, { sha256, verify: verifyEd25519, workflows });
    this.#watch = watch;
    watch.attach(sql);
  }

  override apply<K extends CommandKind>(now: Now, kind: K, input: Commands[K]["in"]): Applied<Commands[K]["out"]> {
    const before = this.#watch.before(kind, input);
    const done = super.apply(now, kind, input);
    this.#watch.after(this, { kind, reply: done.reply, now: now.now, before });
    return done;
  }
}
