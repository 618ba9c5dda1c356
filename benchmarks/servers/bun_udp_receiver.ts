// Receives datagrams and counts them; "?" is answered with the count since the last "?".
let count = 0;
const socket = await Bun.udpSocket({
  hostname: "127.0.0.1",
  socket: {
    data(socket, data, port, address) {
      if (data.byteLength === 1) {
        socket.send(String(count), port, address);
        count = 0;
      } else {
        count++;
      }
    },
  },
});
console.log(socket.port);
