// Bun's own sockets. With the argument `sink` it reads and drops.
const sink = process.argv.includes("sink");
const server = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: { data: sink ? () => {} : (socket, data) => { socket.write(data); } },
});
console.log(server.port);
