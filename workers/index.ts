import { createApp } from "./api/app.ts";
import type { Env } from "./env.ts";
import { budgetOf } from "./fleet/itty.ts";
import { pokeSites } from "./scheduled.ts";
import { platformRandom } from "./site/platform.ts";

export { FleetBudget } from "./fleet/budget.ts";
export { SiteCoordinator } from "./site/object.ts";

const app = createApp({ clock: { now: () => Date.now() }, random: platformRandom, budget: budgetOf });

export default {
  fetch: app.fetch,
  scheduled: (controller, env) => pokeSites(env, controller.scheduledTime),
} satisfies ExportedHandler<Env>;
