import { Claims, type DeviceDraft, type Draft } from "./draft.ts";
import { pointerTo } from "./faults.ts";

/** Serials compare without case (T2). */
const keyOf = (serial: string): string => serial.trim().toLowerCase();

/** What firmware says when nobody wrote a serial into it; two machines have it sooner or later. */
const PLACEHOLDER =
  /^(to be filled( by o\.?e\.?m\.?)?|default string|system serial number|none|n\/?a|unknown|not specified|0+|x+|0?123456789\d?)\.?$/i;

/** T4: every serial, tag and drive serial belongs to one article of the site. */
export function checkIdentity({ faults }: Draft, devices: readonly DeviceDraft[]): void {
  const assets = new Claims();
  const media = new Claims();
  const tags = new Claims();
  const judge = (serial: string, pointer: string, owner: string, claims: Claims, code: string) => {
    if (faults.broken(pointer)) return;
    if (serial !== serial.trim() || !/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(serial)) {
      faults.add(
        "serial_malformed",
        pointer,
        `the serial of ${owner} has blanks around it or signs no label has`,
        JSON.stringify(serial.trim()),
      );
      return;
    }
    if (PLACEHOLDER.test(serial)) {
      faults.add(
        "serial_placeholder",
        pointer,
        `"${serial}" is no serial but a vendor's stopgap`,
        `the serial on the label of ${owner}`,
      );
      return;
    }
    const earlier = claims.claim(keyOf(serial), owner);
    if (earlier !== undefined) {
      faults.add(
        code,
        pointer,
        `the serial ${serial} belongs to ${earlier} already`,
        `the serial on the label of ${owner}`,
      );
    }
  };
  for (const { entry, pointer, label } of devices) {
    const { asset } = entry;
    judge(asset.serial, `${pointer}/asset/serial`, label, assets, "serial_duplicate");
    asset.aliases?.forEach((alias, i) => {
      judge(alias, `${pointer}/asset/aliases/${i}`, label, assets, "serial_duplicate");
    });
    if (asset.assetTag !== undefined && !faults.broken(`${pointer}/asset/assetTag`)) {
      const earlier = tags.claim(keyOf(asset.assetTag), label);
      if (earlier !== undefined) {
        const text = `the tag ${asset.assetTag} is stuck on ${earlier} already`;
        faults.add("asset_tag_duplicate", `${pointer}/asset/assetTag`, text, `the tag on ${label}`);
      }
    }
    for (const [bay, serial] of Object.entries(entry.media ?? {})) {
      judge(
        serial,
        `${pointer}/media${pointerTo([bay])}`,
        `the drive of ${label} in "${bay}"`,
        media,
        "media_serial_duplicate",
      );
    }
  }
}
