import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { HttpFailure, type HttpRequest, type HttpResponse } from "../http.ts";

/** A BMC small enough to read: one system, sessions, power, boot override, and the misbehaviour that a test asks for. */
export interface FakeBmc {
  state: {
    serial: string;
    power: string;
    boot: { BootSourceOverrideTarget: string; BootSourceOverrideEnabled: string; BootSourceOverrideMode?: string };
    etag: number;
    sessions: Set<string>;
    /** Every request that was served, "METHOD path status". */
    log: string[];
    logins: number;
  };
  faults: {
    /** So many requests answer 503, with this Retry-After where given. */
    busy: number;
    retryAfter?: string;
    lostPower: number;
    /** The system takes no notice of a request to shut down. */
    deafSystem: boolean;
    ignoredBoot: number;
    badLogin: boolean;
    /** Sessions die before so many requests. */
    dropSession: number;
    /** So many writes are done but their answer is lost. */
    mute: number;
    /** Refuses every write with a body that echoes what it got, secrets included. */
    echo: boolean;
  };
  onPower?: (power: "On" | "Off") => void;
  handle(request: HttpRequest): Promise<HttpResponse>;
  listen(): Promise<{ port: number; close(): void }>;
}

export interface FakeBmcOptions {
  manufacturer?: string;
  systemPath?: string;
  /** `required`: a PATCH without If-Match is 428. `weak`: tags are weak and only their strong form is accepted. */
  etags?: "none" | "required" | "weak";
  settings?: boolean;
  username?: string;
  password?: string;
  noMode?: boolean;
  resetTypes?: string[];
}

export function fakeBmc(serial: string, options: FakeBmcOptions = {}): FakeBmc {
  const { manufacturer = "Acme", systemPath = "/redfish/v1/Systems/1", etags = "none" } = options;
  const { username = "root", password = "hunter2-hunter2" } = options;
  const state: FakeBmc["state"] = {
    serial,
    power: "Off",
    boot: {
      BootSourceOverrideTarget: "None",
      BootSourceOverrideEnabled: "Disabled",
      ...(!options.noMode && { BootSourceOverrideMode: "UEFI" }),
    },
    etag: 1,
    sessions: new Set(),
    log: [],
    logins: 0,
  };
  const faults: FakeBmc["faults"] = {
    busy: 0,
    lostPower: 0,
    deafSystem: false,
    ignoredBoot: 0,
    badLogin: false,
    dropSession: 0,
    mute: 0,
    echo: false,
  };
  const sd = `${systemPath}/SD`;
  const tag = () => (etags === "weak" ? `W/"${state.etag}"` : `"${state.etag}"`);

  const system = () => ({
    "@odata.id": systemPath,
    Manufacturer: manufacturer,
    Model: "Box 1",
    SerialNumber: manufacturer.startsWith("Dell") ? "CNBOARD123" : state.serial,
    ...(manufacturer.startsWith("Dell") && { SKU: state.serial }),
    PowerState: state.power,
    ...(!options.settings && { Boot: state.boot }),
    ...(options.settings && {
      Boot: { BootSourceOverrideTarget: "None", BootSourceOverrideEnabled: "Disabled" },
      "@Redfish.Settings": { SettingsObject: { "@odata.id": sd } },
    }),
    Actions: {
      "#ComputerSystem.Reset": {
        target: `${systemPath}/Actions/ComputerSystem.Reset`,
        "@Redfish.ActionInfo": `${systemPath}/ResetActionInfo`,
      },
    },
  });

  const json = (status: number, body: unknown, headers: Record<string, string> = {}): HttpResponse => ({
    status,
    headers: { "content-type": "application/json", ...headers },
    body: body === undefined ? "" : JSON.stringify(body),
  });
  const refused = (status: number, id: string, message = "") =>
    json(status, { error: { "@Message.ExtendedInfo": [{ MessageId: id, Message: message }] } });

  const answer = (request: HttpRequest, path: string): HttpResponse => {
    const token = request.headers?.["x-auth-token"];
    if (path === "/redfish/v1/")
      return json(200, {
        Systems: { "@odata.id": "/redfish/v1/Systems" },
        Links: { Sessions: { "@odata.id": "/redfish/v1/SessionService/Sessions" } },
      });
    const body: unknown = request.body ? JSON.parse(request.body) : undefined;
    if (path === "/redfish/v1/SessionService/Sessions" && request.method === "POST") {
      state.logins += 1;
      const sent = body as { UserName: string; Password: string };
      if (faults.badLogin || sent.UserName !== username || sent.Password !== password)
        return refused(401, "Base.1.8.NoValidSession", `no such user ${sent.UserName} ${sent.Password}`);
      // Good here only, as with real BMCs.
      const id = `${serial}-s${state.logins}`;
      state.sessions.add(id);
      return json(201, {}, { "x-auth-token": id, location: `/redfish/v1/SessionService/Sessions/${id}` });
    }
    if (faults.dropSession > 0) {
      faults.dropSession -= 1;
      state.sessions.clear();
    }
    if (token === undefined || !state.sessions.has(token)) return refused(401, "Base.1.8.NoValidSession");
    if (path.startsWith("/redfish/v1/SessionService/Sessions/") && request.method === "DELETE") {
      state.sessions.delete(path.split("/").at(-1) ?? "");
      return json(204, undefined);
    }
    if (faults.echo && request.method !== "GET") return refused(400, "Base.1.8.GeneralError", JSON.stringify(request));
    if (path === "/redfish/v1/Systems") return json(200, { Members: [{ "@odata.id": systemPath }] });
    if (path === `${systemPath}/ResetActionInfo`)
      return json(200, {
        Parameters: [{ Name: "ResetType", AllowableValues: options.resetTypes ?? ["On", "ForceOff", "ForceRestart"] }],
      });
    const headers: Record<string, string> = etags === "none" ? {} : { etag: tag() };
    if (request.method === "GET" && path === systemPath) return json(200, system(), headers);
    if (request.method === "GET" && path === sd && options.settings) return json(200, { Boot: state.boot }, headers);
    if (request.method === "PATCH" && path === (options.settings ? sd : systemPath)) {
      const match = request.headers?.["if-match"];
      if (etags === "required" && match === undefined) return refused(428, "Base.1.8.PreconditionRequired");
      if (etags === "weak" && match !== `"${state.etag}"`) return refused(412, "Base.1.8.PreconditionFailed");
      if (etags === "required" && match !== "*" && match !== tag()) return refused(412, "Base.1.8.PreconditionFailed");
      const boot = (body as { Boot: Record<string, string> }).Boot;
      if (options.noMode && boot.BootSourceOverrideMode !== undefined) return refused(400, "Base.1.8.PropertyUnknown");
      if (faults.ignoredBoot > 0) faults.ignoredBoot -= 1;
      else {
        Object.assign(state.boot, boot);
        state.etag += 1;
      }
      return json(204, undefined);
    }
    if (request.method === "POST" && path === `${systemPath}/Actions/ComputerSystem.Reset`) {
      const type = (body as { ResetType: string }).ResetType;
      const want = type === "On" ? "On" : "Off";
      if (state.power === want) return refused(409, "Base.1.8.NoOperation");
      if (type === "GracefulShutdown" && faults.deafSystem) return json(204, undefined);
      if (faults.lostPower > 0) faults.lostPower -= 1;
      else {
        state.power = want;
        fake.onPower?.(want);
      }
      return json(204, undefined);
    }
    return refused(404, "Base.1.8.ResourceMissingAtURI");
  };

  const fake: FakeBmc = {
    state,
    faults,
    async handle(request) {
      const path = new URL(request.url).pathname;
      if (faults.busy > 0) {
        faults.busy -= 1;
        state.log.push(`${request.method} ${path} 503`);
        return json(503, undefined, faults.retryAfter ? { "retry-after": faults.retryAfter } : {});
      }
      const response = answer(request, path);
      state.log.push(`${request.method} ${path} ${response.status}`);
      if (faults.mute > 0 && request.method !== "GET" && !path.includes("Session")) {
        faults.mute -= 1;
        throw new HttpFailure("timeout", "mute");
      }
      return response;
    },
    async listen() {
      const server = createServer(async (request, response) => {
        const pieces: Buffer[] = [];
        for await (const piece of request) pieces.push(piece as Buffer);
        try {
          const reply = await fake.handle({
            method: request.method as HttpRequest["method"],
            url: `http://bmc${request.url}`,
            headers: request.headers as Record<string, string>,
            body: Buffer.concat(pieces).toString(),
            timeoutMs: 0,
          });
          response.writeHead(reply.status, reply.headers).end(reply.body);
        } catch {
          response.destroy();
        }
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return {
        port: (server.address() as AddressInfo).port,
        close() {
          server.closeAllConnections();
          server.close();
        },
      };
    },
  };
  return fake;
}
