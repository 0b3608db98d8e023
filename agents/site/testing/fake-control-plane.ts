import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { actionSpec, isActionName } from "../../../shared/actions/index.ts";
import type { PlanTarget } from "../../../shared/model/plan.ts";
import {
  EnrollRequest,
  type Lease,
  type Observation,
  type Report,
  type SyncReply,
  SyncRequest,
} from "../../../shared/protocol/agent.ts";
import { lease, SITE } from "./fixtures.ts";

export interface StepOrder {
  action: Parameters<typeof lease>[0];
  params?: Record<string, unknown>;
}
interface TargetRun {
  target: PlanTarget;
  steps: StepOrder[];
  at: number;
  tries: number;
  lease: Lease | undefined;
  failure: Report["failure"];
}

/** A control plane that really listens, with a doorbell; as much of a coordinator as an agent can tell from one. */
export interface FakeControlPlane {
  url: string;
  requests: string[];
  reports: Report[];
  observations: Observation[];
  /** Everything that the agent sent, as text. */
  received: string[];
  doorbells: number;
  /** Answers with this status while set. */
  down: number | undefined;
  add(target: PlanTarget, steps: StepOrder[]): void;
  audit(window: string, targets: PlanTarget[]): void;
  ring(): void;
  outcome(device: string): "done" | "failed" | "open";
  failure(device: string): Report["failure"];
  close(): void;
}

export async function fakeControlPlane(): Promise<FakeControlPlane> {
  const runs: TargetRun[] = [];
  const sockets = new Set<Duplex>();
  let auditing: { window: string; targets: PlanTarget[] } | undefined;
  let key = "";

  const take = (report: Report) => {
    const run = runs.find((r) => r.lease?.id === report.lease);
    if (!run?.lease) return;
    fake.reports.push(report);
    const { action } = run.lease;
    if (report.outcome === "succeeded") {
      if (isActionName(action)) actionSpec(action).result.parse(report.result);
      run.at += 1;
      run.tries = 0;
    } else {
      run.tries += 1;
      const again = isActionName(action) && actionSpec(action).retryOn.includes(report.failure?.code ?? "");
      if (report.outcome === "failed" && (!again || run.tries > 8)) run.failure = report.failure;
    }
    run.lease = undefined;
  };

  const sync = (request: SyncRequest): SyncReply => {
    for (const report of request.reports) take(report);
    if (request.audit) {
      const read = request.audit.observations;
      fake.observations.push(...read);
      if (auditing) auditing.targets = auditing.targets.filter((t) => !read.some((o) => o.device === t.device));
      if (auditing?.targets.length === 0) auditing = undefined;
    }
    const leases: Lease[] = [];
    for (const run of runs) {
      const order = run.steps[run.at];
      if (!order || run.failure) continue;
      if (run.lease) {
        if (!request.holding.includes(run.lease.id)) leases.push({ ...run.lease, resolve: true });
        continue;
      }
      run.lease = lease(order.action, {
        target: run.target,
        step: run.at,
        resolve: run.tries > 0,
        job: `job_aaaaaaaaaa_${run.target.device.slice(-16)}`,
        ...(order.params && { params: order.params }),
      });
      leases.push(run.lease);
    }
    const mine = runs.map((r) => r.lease?.id);
    return {
      v: 1,
      now: Date.now(),
      acks: request.reports.map((r) => r.lease),
      leases,
      renewed: request.holding.filter((id) => mine.includes(id)),
      revoked: [],
      ended: (request.boots ?? []).filter((b) => fake.outcome(b.device) !== "open"),
      ...(auditing && { audit: auditing }),
      more: false,
      nextPollMs: 1000,
    };
  };

  const server: Server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    fake.requests.push(`${request.method} ${request.url}`);
    fake.received.push(text);
    const send = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (fake.down !== undefined) return send(fake.down, {});
    if (request.url === "/agent/v1/enroll") {
      const { publicKey, token } = EnrollRequest.parse(JSON.parse(text));
      if (token !== "one-time" || (key !== "" && key !== publicKey.x)) return send(401, { code: "enrolment_refused" });
      key = publicKey.x;
      return send(200, { v: 1, agent: "agt_aaaaaaaaaa_1", site: SITE, siteName: "test", now: Date.now() });
    }
    return send(200, sync(SyncRequest.parse(JSON.parse(text))));
  });
  server.on("upgrade", (request, socket: Duplex) => {
    if (fake.down !== undefined) {
      socket.destroy();
      return;
    }
    fake.doorbells += 1;
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: turnup.v1\r\n\r\n`,
    );
    sockets.add(socket);
    socket.on("error", () => sockets.delete(socket));
    socket.on("close", () => sockets.delete(socket));
    socket.on("end", () => socket.end());
    // Whatever the agent says on it is its heartbeat.
    socket.on("data", () => socket.write(frame("ok")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const fake: FakeControlPlane = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    reports: [],
    observations: [],
    received: [],
    doorbells: 0,
    down: undefined,
    add(target, steps) {
      runs.push({ target, steps, at: 0, tries: 0, lease: undefined, failure: undefined });
      fake.ring();
    },
    audit(window, targets) {
      auditing = { window, targets };
      fake.ring();
    },
    ring() {
      for (const socket of sockets) socket.write(frame("sync"));
    },
    outcome(device) {
      const run = runs.find((r) => r.target.device === device);
      if (run?.failure) return "failed";
      return run && run.at === run.steps.length ? "done" : "open";
    },
    failure: (device) => runs.find((r) => r.target.device === device)?.failure,
    close() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
  return fake;
}

/** A text frame of a server: not masked, short. */
const frame = (text: string): Buffer => Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
