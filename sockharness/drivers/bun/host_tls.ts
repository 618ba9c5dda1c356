// TLS in the host script: an ordinary user of the option `tls` and of `upgradeTLS`.
//
// The report of a `handshake` has its facts: what both sides agreed on, and the other side's
// certificate. If a handshake failed, nothing was agreed on, whatever the getters say.

import type { Socket } from "bun";
import {
  type Action,
  type Connection,
  type Play,
  type Tls,
  returned,
  threw,
} from "./host_play.ts";

/** Note a peer's TLS; return Bun's options for it, none without TLS. */
export function secures(play: Play, peer: string, tls: Tls | null): { tls?: object } {
  if (tls === null) return {};
  play.tls.set(peer, tls);
  return { tls: options_of(tls) };
}

function options_of({ options, alpn }: Tls): Record<string, any> {
  return alpn ? { ...options, ALPNProtocols: Buffer.from(alpn, "base64") } : options;
}

/** Return the outcome of a handshake, in its handler. */
export function secured(socket: any, success: boolean, error: any, tls: Tls): object {
  const shown = socket.getPeerCertificate();
  const about = {
    success,
    authorized: socket.authorized,
    server_name: socket.getServername() ?? "",
    certificate: shown?.fingerprint256 ?? "",
    names: shown?.subjectaltname ?? "",
  };
  if (failed(success, error, tls)) return about;
  return {
    ...about,
    version: socket.getTLSVersion(),
    cipher: socket.getCipher().name,
    alpn: socket.alpnProtocol || "",
    reused: socket.isSessionReused(),
  };
}

/** Return whether a handshake failed: an error may be a mere remark on the certificate. */
function failed(success: boolean, error: any, tls: Tls): boolean {
  if (error === null || error === undefined) return !success;
  return tls.judges || error.code === "EPROTO" || error.code === "ECONNRESET";
}

/** Resume the session of the peer's connection before, if it left one. */
export function resume(connection: Connection, socket: any): void {
  const session = connection.play.sessions.get(connection.peer);
  if (connection.tls?.resume && session !== undefined) socket.setSession(session);
}

/** Keep the session for the peer's next connection; in TLS 1.3 it comes with data. */
export function keep_session(connection: Connection, socket: any): void {
  if (!connection.tls?.resume) return;
  const session = socket.getSession();
  if (session !== undefined) connection.play.sessions.set(connection.peer, session);
}

/** Go over to TLS, with these handlers; the `result` of the call has the error, if any. */
export function upgrade(
  connection: Connection,
  call: number,
  action: Action,
  handlers: any,
): void {
  const { peer, play, tls: before } = connection;
  const server = play.listeners.has(peer);
  const tls = (connection.tls = server ? action.server! : action.client!);
  try {
    const made = (connection.socket as any).upgradeTLS({
      tls: options_of(tls),
      socket: handlers,
      data: connection,
      ...(server ? { isServer: true } : {}),
    });
    if (made === undefined) connection.tls = before; // it has TLS already (D41)
    else connection.socket = made[1] as Socket<Connection>;
    returned(call, undefined);
  } catch (error) {
    connection.tls = before;
    threw(call, error);
  }
}
