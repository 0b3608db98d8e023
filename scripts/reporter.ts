import type { SerializedError } from "vitest";
import { MinimalReporter, type TestModule, type TestRunEndReason } from "vitest/node";
import { sharedData } from "../lab/shared-data.ts";

/** Says what failed and was skipped, and ends in one line that a script can read. */
export default class CountingReporter extends MinimalReporter {
  /** One line per file: a run of minutes must not look dead. Failures are told at length by the reporter below this one. */
  override onTestModuleEnd(module: TestModule): void {
    super.onTestModuleEnd(module);
    if (!module.ok()) return;
    const tests = [...module.children.allTests()].length;
    this.ctx.logger.log(
      `ok  ${module.relativeModuleId} (${tests}, ${(module.diagnostic().duration / 1000).toFixed(1)} s)`,
    );
  }

  override onTestRunEnd(
    modules: ReadonlyArray<TestModule>,
    errors: ReadonlyArray<SerializedError>,
    reason: TestRunEndReason,
  ): void {
    super.onTestRunEnd(modules, errors, reason);
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    const skippedIn: string[] = [];
    for (const module of modules) {
      let failedHere = 0;
      const skippedBefore = count.skipped;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        if (state === "passed") count.passed += 1;
        else if (state === "skipped") count.skipped += 1;
        else failedHere += 1;
      }
      // A file that broke before its tests were known has none to count.
      if (failedHere === 0 && !module.ok()) failedHere = 1;
      count.failed += failedHere;
      const skippedHere = count.skipped - skippedBefore;
      if (skippedHere > 0) skippedIn.push(`  ${module.relativeModuleId} (${skippedHere})`);
    }
    if (skippedIn.length > 0) {
      this.ctx.logger.log(["SKIPPED:", ...skippedIn].join("\n"));
      // Says why, when that is the reason.
      sharedData();
    }
    // Nothing tested is not success.
    if (count.passed === 0) process.exitCode = 1;
    this.ctx.logger.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
}
