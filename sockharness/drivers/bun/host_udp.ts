// UDP peers of the host script: an ordinary user of `Bun.udpSocket`.
//
// The reports are those of streams, with connection 0; a datagram has its sender under `from`. The
// `result` of a call has what it throws, because a step may expect it.

import {
  type Action,
  type Command,
  type Endpoint,
  type HandlerSet,
  type Play,
  Raised,
  as_data,
  begin,
  bytes,
  called,
  now,
  returned,
  say,
  threw,
} from "./host_play.ts";

type Received = { data: Buffer; port: number; address: string };

/** Bun's flag for SO_REUSEADDR: the members of a group share its port. */
const SHARED = 16;

/** A peer's UDP socket. */
class UdpEndpoint implements Endpoint {
  socket: any;

  constructor(
    readonly play: Play,
    readonly peer: string,
    readonly connected: boolean,
  ) {}

  /** Report that a handler of this socket was called; return whether the replay goes on. */
  report(event: string, more: object = {}): boolean {
    if (this.play.over) return false;
    say({ event, peer: this.peer, connection: 0, at: now(), ...more });
    return true;
  }

  act(action: Action, received?: Received): void {
    const call = begin(this.peer, 0, action);
    if (action.name === "raise") throw new Raised(action.message!, this);
    try {
      returned(call, done(this, action, received));
    } catch (error) {
      threw(call, error);
    }
  }

  close(): void {
    this.socket?.close();
  }
}

export function bind(play: Play, command: Command): void {
  const { peer, hostname, port, shared, connect } = command;
  const endpoint = new UdpEndpoint(play, peer, connect !== null);
  const options: any = { hostname, port, socket: handlers(endpoint, command.handlers) };
  if (shared) options.flags = SHARED;
  if (connect !== null) options.connect = connect;
  try {
    const made: any = Bun.udpSocket(options);
    endpoint.socket = Bun.peek(made);
    play.endpoints.set(peer, endpoint);
    const { address } = endpoint.socket;
    say({ listening: peer, hostname: address.address, port: address.port });
  } catch (error) {
    say({ refused: peer, error: as_data(error) });
  }
}

function handlers(endpoint: UdpEndpoint, set: HandlerSet): any {
  const made: Record<string, Function> = {};
  for (const [name, actions] of Object.entries(set)) {
    made[name] = handler(endpoint, name, actions);
  }
  return made;
}

function handler(endpoint: UdpEndpoint, name: string, actions: Action[]): Function {
  switch (name) {
    case "data":
      return (_socket: any, data: Buffer, port: number, address: string) => {
        const more = { data: data.toString("base64"), from: [address, port] };
        if (endpoint.report(name, more)) perform(endpoint, actions, { data, port, address });
      };
    case "error": // it gets the error alone (D23)
      return (error: any) => {
        if (endpoint.report(name, { error: as_data(error) })) perform(endpoint, actions);
      };
    default:
      return () => {
        if (endpoint.report(name)) perform(endpoint, actions);
      };
  }
}

function perform(endpoint: UdpEndpoint, actions: Action[], received?: Received): void {
  for (const action of actions) endpoint.act(action, received);
}

function done(endpoint: UdpEndpoint, action: Action, received?: Received): any {
  const { socket } = endpoint;
  switch (action.name) {
    case "send":
      return socket.send(bytes(action.data!), ...target(endpoint, action, received));
    case "echo":
      return socket.send(received!.data, ...target(endpoint, action, received));
    case "send_many": {
      const to = target(endpoint, action);
      return socket.sendMany(action.many!.flatMap((data) => [bytes(data), ...to]));
    }
    case "reload":
      return socket.reload({ socket: handlers(endpoint, action.handlers as HandlerSet) });
    default:
      return called(socket, action);
  }
}

/** Return the port and address to send to: a peer's, the sender's, or none if connected. */
function target(endpoint: UdpEndpoint, action: Action, received?: Received): [number, string] | [] {
  if (endpoint.connected) return [];
  if (!action.to) return [received!.port, received!.address];
  const { hostname, port } = endpoint.play.addresses.get(action.to)!;
  return [port, hostname];
}
