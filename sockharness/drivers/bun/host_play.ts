// One replay in the host script: what it made, and how it reports. `host.ts` has the protocol.

import { writeSync } from "node:fs";
import type { Socket, TCPSocketListener } from "bun";

type Pattern = { pattern: string; size: number; from: number };
type Bytes = { base64: string } | { late: number } | Pattern;

/** TLS for one side: Bun's options, and what is needed to report the outcome. */
export type Tls = {
  options: Record<string, any>;
  alpn: string;
  judges: boolean;
  resume: boolean;
};
export type Action = {
  id: number;
  name: string;
  data?: Bytes;
  many?: Bytes[];
  to?: string;
  arguments?: any[];
  seconds?: number;
  flag?: boolean;
  message?: string;
  handlers?: string | HandlerSet;
  server?: Tls;
  client?: Tls;
};
export type HandlerSet = Record<string, Action[]>;
export type Command = Record<string, any> & { do: string };
type Waiting = { call: number; rest: Buffer; size: number };

/** A connection or a UDP socket: it can report that one of its handlers was called. */
type Reporter = { report(event: string, more?: object): boolean };

/** The exception of a spec's `raise:`. */
export class Raised extends Error {
  constructor(
    message: string,
    readonly connection: Reporter,
  ) {
    super(message);
  }
}

/**
 * One connection of a peer, with the bytes still to be written. After `upgradeTLS` the socket is the
 * one that speaks TLS; the socket below it has the same data, and its events are dropped.
 */
export class Connection {
  socket: Socket<Connection> | undefined;
  readonly waiting: Waiting[] = [];

  constructor(
    readonly play: Play,
    readonly peer: string,
    readonly number: number,
    public tls: Tls | undefined,
  ) {}

  /** Report that a handler of this connection was called; return whether the replay goes on. */
  report(event: string, more: object = {}): boolean {
    if (this.play.over) return false;
    say({ event, peer: this.peer, connection: this.number, at: now(), ...more });
    return true;
  }

  /** Report a call of a handler, unless the socket lies below the one that speaks TLS. */
  called_on(socket: Socket<Connection>, event: string, more: object = {}): boolean {
    return (this.socket ?? socket) === socket && this.report(event, more);
  }
}

/** A peer without connections: a UDP socket. */
export interface Endpoint {
  act(action: Action): void;
  close(): void;
}

/** One replay: it closes what it made. */
export class Play {
  over = false;
  readonly endpoints = new Map<string, Endpoint>();
  readonly addresses = new Map<string, { hostname: string; port: number }>();
  readonly listeners = new Map<string, TCPSocketListener<Connection>>();
  readonly connections = new Map<string, Connection>();
  readonly counts = new Map<string, number>();
  readonly sets = new Map<string, HandlerSet>();
  readonly late = new Map<number, Buffer>();
  /** The TLS of a peer that has it from its first byte on. */
  readonly tls = new Map<string, Tls>();
  /** The handlers with which a peer goes over to TLS. */
  readonly current = new Map<string, HandlerSet>();
  readonly sessions = new Map<string, Buffer>();

  add(peer: string): Connection {
    const number = (this.counts.get(peer) ?? 0) + 1;
    this.counts.set(peer, number);
    const connection = new Connection(this, peer, number, this.tls.get(peer));
    this.connections.set(`${peer}@${number}`, connection);
    return connection;
  }

  end(): void {
    this.over = true;
    for (const connection of this.connections.values()) connection.socket?.terminate();
    for (const listener of this.listeners.values()) listener.stop(true);
    for (const endpoint of this.endpoints.values()) endpoint.close();
  }
}

/** The replay of now. */
export let play = new Play();

/** End it, and begin the next one. */
export function next_play(): void {
  play.end();
  play = new Play();
}

// ---- reports

/** How many messages were written. */
export let reports = 0;
let calls = 0;

export function now(): number {
  return Bun.nanoseconds() / 1e9;
}

export function say(message: object): void {
  reports += 1;
  let rest = Buffer.from(JSON.stringify(message) + "\n");
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error: any) {
      if (error.code !== "EAGAIN") throw error;
      Bun.sleepSync(1);
    }
  }
}

export function as_data(error: any): object | undefined {
  if (error === undefined || error === null) return undefined;
  const { name, message, code } = error;
  return { name, message: String(message), code, raised: error instanceof Raised };
}

// ---- calls

export function begin(peer: string, connection: number, action: Action): number {
  calls += 1;
  if (!play.over) say({ acted: action.id, call: calls, peer, connection, at: now() });
  return calls;
}

export function returned(call: number, result: number | void): void {
  if (!play.over) say({ result: result ?? null, call });
}

export function threw(call: number, error: any): void {
  if (!play.over) say({ result: null, call, error: as_data(error) });
}

/** Call the method that an action names, with the action's arguments. */
export function called(socket: any, action: Action): any {
  return socket[camel(action.name)](...(action.arguments ?? []));
}

/** Return Bun's name of a method: `set_multicast_ttl` is `setMulticastTTL` there. */
function camel(name: string): string {
  return name.replace(/_ttl$/, "TTL").replace(/_(.)/g, (_, letter) => letter.toUpperCase());
}

export function bytes(data: Bytes): Buffer {
  if ("base64" in data) return Buffer.from(data.base64, "base64");
  if ("pattern" in data) return pattern(data).subarray(data.from);
  const value = play.late.get(data.late);
  if (value === undefined) throw new Error("a name has no value yet");
  return value;
}

/** Make zeros, or 32-bit big-endian numbers from 0. */
function pattern({ pattern, size }: Pattern): Buffer {
  const made = new DataView(new ArrayBuffer(Math.ceil(size / 4) * 4));
  if (pattern === "counter") {
    for (let at = 0; at < size; at += 4) made.setUint32(at, at / 4);
  }
  return Buffer.from(made.buffer, 0, size);
}
