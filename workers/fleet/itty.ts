/** The one file that knows that the budget object is behind itty-durable; another kind of object changes this and budget.ts. */
import { proxyDurable } from "itty-durable";
import { type BudgetCall, type FleetBudgetClient, fleetBudget } from "./facade.ts";

/** One budget for the whole fleet. */
const NAME = "fleet";

export function ittyCall(namespace: DurableObjectNamespace): BudgetCall {
  const proxy: unknown = proxyDurable(namespace, { name: "FLEET", parse: true }).get(NAME);
  const methods = proxy as Record<string, (input: unknown) => Promise<unknown>>;
  return async (method, input) => methods[method]?.(input);
}

export const budgetOf = (env: { FLEET: DurableObjectNamespace }): FleetBudgetClient => fleetBudget(ittyCall(env.FLEET));
