import { describe, expect, it } from "vitest";
import { siteObject } from "./rpc.ts";

/** A namespace that answers where it was asked from, and like workerd has no jurisdictions unless it is told to. */
function namespace(jurisdictions: boolean): DurableObjectNamespace {
  const at = (place: string): unknown => ({
    idFromName: (name: string) => name,
    get: (id: string, { locationHint }: { locationHint: string }) => `${place} ${id} ${locationHint}`,
    jurisdiction(name: string) {
      if (!jurisdictions) throw new Error("Jurisdiction restrictions are not implemented in workerd.");
      return at(name);
    },
  });
  return at("anywhere") as DurableObjectNamespace;
}
const site = { id: "st_1", generation: 1, jurisdiction: "eu", locationHint: "weur" };

describe("the object of a site", () => {
  it("is in the site's jurisdiction, under its id and, once restored, its generation", () => {
    expect(siteObject({ SITE: namespace(true) }, site)).toBe("eu st_1 weur");
    expect(siteObject({ SITE: namespace(true) }, { ...site, generation: 3, jurisdiction: "none" })).toBe(
      "anywhere st_1#3 weur",
    );
  });

  it("is nowhere else where there are no jurisdictions: that is refused with what to do, unless it is said to be local", () => {
    expect(() => siteObject({ SITE: namespace(false) }, site)).toThrow(/^jurisdiction_unavailable: .* eu: /);
    expect(siteObject({ SITE: namespace(false), TURNUP_LOCAL: "1" }, site)).toBe("anywhere st_1 weur");
  });
});
