// Executes the peers of a spec with Bun's own sockets. It is an ordinary user of `Bun.listen` and
// `Bun.connect`; it reads commands from stdin and writes reports to stdout, both as JSON lines.
//
// A line on stdin is a batch: `{"ack": 7, "do": [command, …]}`. The script does all its commands in
// one turn of the loop, in order, and then reports `{"ack": 7}`. The other reports come in the order
// in which things happen, and their first key says what they are: `event` (a handler was called),
// `acted` (a method is about to be called), `result` (what it returned), `queued` (bytes that wait
// to be written), `listening` or `refused` (the answer to a listen or bind), `broken` (this script
// is at fault). Bytes are base64, times are seconds since an arbitrary point. Lines are written at
// once and synchronously, so a crash loses none and their order is the true order.
//
// Every handler reports its event first, then does what the spec's `on:` says.

import type { Socket } from "bun";
import {
  type Action,
  type Command,
  type Connection,
  type HandlerSet,
  Raised,
  as_data,
  begin,
  bytes,
  called,
  next_play,
  now,
  play,
  returned,
  say,
  reports,
} from "./host_play.ts";
import { keep_session, resume, secured, secures, upgrade } from "./host_tls.ts";
import { bind } from "./host_udp.ts";

function broken(error: any): void {
  say({ broken: String(error?.stack ?? error) });
}

process.on("uncaughtException", (error: any) => {
  if (!(error instanceof Raised)) return broken(error);
  error.connection.report("uncaught_exception", { error: as_data(error) });
});
process.on("unhandledRejection", broken);

// ---- handlers

const CAMEL: Record<string, string> = { connect_error: "connectError" };

function handlers(peer: string, set: HandlerSet): any {
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
        const first = connection.socket === undefined; // else it has gone over to TLS
        connection.socket = socket;
        if (here.over) return socket.terminate();
        resume(connection, socket);
        const local = [socket.localAddress, socket.localPort];
        const remote = [socket.remoteAddress, socket.remotePort];
        connection.report(name, first ? { local, remote } : {});
        perform(connection, actions);
      };
    case "data":
      return (socket: Socket<Connection>, data: Buffer) => {
        if (!socket.data.called_on(socket, name, { data: data.toString("base64") })) return;
        keep_session(socket.data, socket);
        perform(socket.data, actions, data);
      };
    case "drain":
      return (socket: Socket<Connection>) => {
        if (!socket.data.called_on(socket, name)) return;
        write_on(socket.data);
        perform(socket.data, actions);
      };
    case "handshake":
      return (socket: Socket<Connection>, success: boolean, error: any) => {
        const facts = secured(socket, success, error, socket.data.tls!);
        if (!socket.data.called_on(socket, name, { error: as_data(error), secured: facts })) return;
        keep_session(socket.data, socket);
        perform(socket.data, actions);
      };
    default:
      return (socket: Socket<Connection>, error: any) => {
        socket.data ??= here.add(peer); // it was closed before it was open
        const more = { error: as_data(error) };
        if (socket.data.called_on(socket, name, more)) perform(socket.data, actions);
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
      return upgrade(connection, call, action, upgraded(peer, action));
    default: // close, terminate, pause, resume, flush, and settings
      return returned(call, called(socket, action));
  }
}

function act_on_listener(peer: string, action: Action): void {
  const call = begin(peer, 0, action);
  const listener = play.listeners.get(peer)!;
  if (action.name === "reload") listener.reload({ socket: reloaded(peer, action) });
  else listener.stop(action.flag);
  returned(call, undefined);
}

function reloaded(peer: string, action: Action): any {
  const { handlers: named } = action;
  const set = typeof named === "string" ? play.sets.get(named)! : named!;
  if (action.name === "reload") play.current.set(peer, set);
  return handlers(peer, set);
}

function upgraded(peer: string, action: Action): any {
  if (action.handlers !== undefined) return reloaded(peer, action);
  return handlers(peer, play.current.get(peer)!);
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

// ---- commands

/** Note a peer's handlers and its TLS; return Bun's options for both. */
function prepared(command: Command): any {
  const { peer, tls, upgraded, handlers: set } = command;
  play.current.set(peer, upgraded);
  return { socket: handlers(peer, set), ...secures(play, peer, tls) };
}

function listen(command: Command): void {
  const { peer, hostname, port, options } = command;
  const given = { hostname, port, ...prepared(command), ...options };
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
  const given = { hostname, port, ...prepared(command), ...options };
  const data = play.add(peer);
  try {
    // `connect_error` reports a failure; a spec without that handler ignores it.
    Bun.connect<Connection>({ ...given, data }).catch(() => {});
  } catch (error) {
    say({ refused: peer, error: as_data(error) });
  }
}

function act_now(command: Command): void {
  const { peer, connection, action } = command;
  const endpoint = play.endpoints.get(peer);
  if (endpoint !== undefined) return endpoint.act(action);
  if (connection === 0) return act_on_listener(peer, action);
  act(play.connections.get(`${peer}@${connection}`)!, action);
}

/** Wait until a turn of the loop brings nothing new. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 100; turns++) {
    const before = reports;
    await turn();
    await turn();
    if (reports === before) return;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function reset(): Promise<void> {
  next_play();
  await turn();
}

const COMMANDS: Record<string, (command: Command) => void | Promise<void>> = {
  listen,
  connect,
  bind: (command) => bind(play, command),
  learn: ({ peer, hostname, port }) => void play.addresses.set(peer, { hostname, port }),
  act: act_now,
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
