// Executes the peers of a spec with Bun's own sockets: an ordinary user of `Bun.listen` and
// `Bun.connect`, told by JSON lines on stdin, telling by JSON lines on stdout.
//
// A line on stdin is a batch: `{"ack": 7, "do": [command, …]}`. All its commands are done in one
// turn of the loop, in order; then `{"ack": 7}` is told. Told are, in the order in which they
// happen: `event` (a handler was called), `acted` (a method is about to be called), `result` (what
// it returned), `listening` or `refused` (of a listen), `broken` (this program is at fault).
// Bytes are base64, times are seconds since an arbitrary point. Lines are written at once,
// synchronously, so that a crash loses none and order is the order of what happened.
//
// Every handler tells its event first, then does what the spec's `on:` says.

import { writeSync } from "node:fs";
import type { Socket, TCPSocketListener } from "bun";
import { type Tls, keep_session, prepared, resume, secured, upgrade } from "./bun_host_tls.ts";
import { act_on_endpoint, bind, type Endpoint } from "./bun_host_udp.ts";

type Pattern = { pattern: string; size: number; from: number };
type Bytes = { base64: string } | { late: number } | Pattern;
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

/** Whoever can tell that a handler of his was called. */
type Teller = { tell(event: string, more?: object): boolean };

/** What a spec's `raise:` raises. */
export class Raised extends Error {
  constructor(
    message: string,
    readonly connection: Teller,
  ) {
    super(message);
  }
}

/**
 * One connection of a peer, and what is still to be written. After `upgradeTLS` the socket is the
 * one that speaks TLS; what lies below it has the same data, and is not heard.
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

  /** Tell that a handler of this connection was called; say whether the play still goes on. */
  tell(event: string, more: object = {}): boolean {
    if (this.play.over) return false;
    say({ event, peer: this.peer, connection: this.number, at: now(), ...more });
    return true;
  }

  /** Tell of a handler, unless it is that of a socket below the one that is heard. */
  heard(socket: Socket<Connection>, event: string, more: object = {}): boolean {
    return (this.socket ?? socket) === socket && this.tell(event, more);
  }
}

/** One replay: what it made is closed with it. */
export class Play {
  over = false;
  readonly endpoints = new Map<string, Endpoint>();
  readonly places = new Map<string, { hostname: string; port: number }>();
  readonly listeners = new Map<string, TCPSocketListener<Connection>>();
  readonly connections = new Map<string, Connection>();
  readonly counts = new Map<string, number>();
  readonly sets = new Map<string, HandlerSet>();
  readonly late = new Map<number, Buffer>();
  /** How a peer is secured from its first byte on. */
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
    for (const endpoint of this.endpoints.values()) endpoint.socket?.close();
  }
}

let play = new Play();
let told = 0;
let calls = 0;

// ---- what is told

export function now(): number {
  return Bun.nanoseconds() / 1e9;
}

export function say(message: object): void {
  told += 1;
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

function broken(error: any): void {
  say({ broken: String(error?.stack ?? error) });
}

process.on("uncaughtException", (error: any) => {
  if (!(error instanceof Raised)) return broken(error);
  error.connection.tell("uncaught_exception", { error: as_data(error) });
});
process.on("unhandledRejection", broken);

// ---- handlers

const CAMEL: Record<string, string> = { connect_error: "connectError" };

export function handlers(peer: string, set: HandlerSet): any {
  const made: Record<string, Function> = {};
  for (const [name, actions] of Object.entries(set)) {
    made[CAMEL[name] ?? name] = handler(peer, name, actions);
  }
  return made;
}

function handler(peer: string, name: string, actions: Action[]): Function {
  const here = play;
  switch (name) {
    case "open":
      return (socket: Socket<Connection>) => {
        const connection = (socket.data ??= here.add(peer));
        const first = connection.socket === undefined; // else it goes over to TLS
        connection.socket = socket;
        if (here.over) return socket.terminate();
        resume(connection, socket);
        const local = [socket.localAddress, socket.localPort];
        const remote = [socket.remoteAddress, socket.remotePort];
        connection.tell(name, first ? { local, remote } : {});
        perform(connection, actions);
      };
    case "data":
      return (socket: Socket<Connection>, data: Buffer) => {
        if (!socket.data.heard(socket, name, { data: data.toString("base64") })) return;
        keep_session(socket.data, socket);
        perform(socket.data, actions, data);
      };
    case "drain":
      return (socket: Socket<Connection>) => {
        if (!socket.data.heard(socket, name)) return;
        write_on(socket.data);
        perform(socket.data, actions);
      };
    case "handshake":
      return (socket: Socket<Connection>, success: boolean, error: any) => {
        const facts = secured(socket, success, error, socket.data.tls!);
        if (!socket.data.heard(socket, name, { error: as_data(error), secured: facts })) return;
        keep_session(socket.data, socket);
        perform(socket.data, actions);
      };
    default:
      return (socket: Socket<Connection>, error: any) => {
        socket.data ??= here.add(peer); // it was closed before it was open
        const more = { error: as_data(error) };
        if (socket.data.heard(socket, name, more)) perform(socket.data, actions);
      };
  }
}

// ---- actions

function perform(connection: Connection, actions: Action[], received?: Buffer): void {
  for (const action of actions) act(connection, action, received);
}

function act(connection: Connection, action: Action, received?: Buffer): void {
  const { peer, number, socket } = connection;
  const call = begin(peer, number, action);
  if (socket === undefined) throw new Error(`${peer}@${number} was never open`);
  switch (action.name) {
    case "write":
      return returned(call, socket.write(bytes(action.data!)));
    case "write_all":
      return write_all(connection, call, bytes(action.data!));
    case "echo":
      return write_all(connection, call, received!);
    case "end":
      return returned(call, action.data ? socket.end(bytes(action.data)) : socket.end());
    case "timeout":
      return returned(call, socket.timeout(action.seconds!));
    case "reload":
      return returned(call, (socket as any).reload({ socket: reloaded(peer, action) }));
    case "shutdown":
      return returned(call, action.flag ? socket.shutdown(true) : socket.shutdown());
    case "stop":
      return returned(call, connection.play.listeners.get(peer)!.stop(action.flag));
    case "raise":
      throw new Raised(action.message!, connection);
    case "upgrade_tls":
      return upgrade(connection, call, action);
    default: // close, terminate, pause, resume, flush
      return returned(call, (socket as any)[action.name]());
  }
}

function act_on_listener(peer: string, action: Action): void {
  const call = begin(peer, 0, action);
  const listener = play.listeners.get(peer)!;
  if (action.name === "reload") listener.reload({ socket: reloaded(peer, action) });
  else listener.stop(action.flag);
  returned(call, undefined);
}

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

export function reloaded(peer: string, action: Action): any {
  const { handlers: named } = action;
  const set = typeof named === "string" ? play.sets.get(named)! : named!;
  if (action.name === "reload") play.current.set(peer, set);
  return handlers(peer, set);
}

export function bytes(data: Bytes): Buffer {
  if ("base64" in data) return Buffer.from(data.base64, "base64");
  if ("pattern" in data) return pattern(data).subarray(data.from);
  const value = play.late.get(data.late);
  if (value === undefined) throw new Error("a name has no value yet");
  return value;
}

/** Make `zero`s, or 32-bit big-endian numbers from 0. */
function pattern({ pattern, size }: Pattern): Buffer {
  const made = new DataView(new ArrayBuffer(Math.ceil(size / 4) * 4));
  if (pattern === "counter") {
    for (let at = 0; at < size; at += 4) made.setUint32(at, at / 4);
  }
  return Buffer.from(made.buffer, 0, size);
}

/** Write, and again at each drain, until all is taken. */
function write_all(connection: Connection, call: number, data: Buffer): void {
  connection.waiting.push({ call, rest: data, size: data.length });
  if (connection.waiting.length === 1) write_on(connection);
  if (connection.waiting.at(-1)?.call === call) returned(call, undefined);
}

function write_on(connection: Connection): void {
  const { waiting, socket } = connection;
  while (waiting.length > 0) {
    const first = waiting[0]!;
    const taken = socket!.write(first.rest);
    if (taken >= 0 && taken < first.rest.length) {
      first.rest = first.rest.subarray(taken);
      const queued = waiting.reduce((sum, each) => sum + each.rest.length, 0);
      return say({ queued, peer: connection.peer, connection: connection.number });
    }
    returned(first.call, taken < 0 ? -1 : first.size);
    waiting.shift();
  }
}

// ---- what it is told

function listen(command: Command): void {
  const { peer, hostname, port, options } = command;
  const given = { hostname, port, ...prepared(play, command), ...options };
  try {
    const listener = Bun.listen<Connection>(given);
    play.listeners.set(peer, listener);
    say({ listening: peer, hostname: listener.hostname, port: listener.port });
  } catch (error) {
    say({ refused: peer, error: as_data(error) });
  }
}

function connect(command: Command): void {
  const { peer, hostname, port, options } = command;
  const given = { hostname, port, ...prepared(play, command), ...options };
  const data = play.add(peer);
  try {
    // What went wrong is told by connect_error; a spec without that handler does not want to know.
    Bun.connect<Connection>({ ...given, data }).catch(() => {});
  } catch (error) {
    say({ refused: peer, error: as_data(error) });
  }
}

function told_to_act(command: Command): void {
  const { peer, connection, action } = command;
  const endpoint = play.endpoints.get(peer);
  if (endpoint !== undefined) return act_on_endpoint(endpoint, action);
  if (connection === 0) return act_on_listener(peer, action);
  act(play.connections.get(`${peer}@${connection}`)!, action);
}

/** Wait until turns of the loop bring nothing new. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 100; turns++) {
    const before = told;
    await turn();
    await turn();
    if (told === before) return;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function reset(): Promise<void> {
  play.end();
  play = new Play();
  await turn();
}

const COMMANDS: Record<string, (command: Command) => void | Promise<void>> = {
  listen,
  connect,
  bind: (command) => bind(play, command),
  learn: ({ peer, hostname, port }) => void play.places.set(peer, { hostname, port }),
  act: told_to_act,
  handlers: ({ name, set }) => void play.sets.set(name, set),
  late: ({ id, data }) => void play.late.set(id, Buffer.from(data, "base64")),
  settle,
  reset,
};

async function obey(line: string): Promise<void> {
  const batch = JSON.parse(line);
  try {
    for (const command of batch.do) {
      const done = COMMANDS[command.do]!(command);
      if (done !== undefined) await done;
    }
  } catch (error) {
    broken(error);
  }
  say({ ack: batch.ack, at: now() });
}

const unread: string[] = []; // pieces of a line: joined once, because lines can be long
process.stdin.setEncoding("latin1");
process.stdin.on("data", (chunk: string) => {
  const [rest, ...more] = chunk.split("\n");
  unread.push(rest!);
  for (const piece of more) {
    void obey(unread.splice(0).join(""));
    unread.push(piece);
  }
});
process.stdin.on("end", () => process.exit(0));

say({ hello: Bun.version, at: now() });
