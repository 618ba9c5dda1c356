// Sends to the ports as fast as it can: MODE SECONDS SIZE PORT...; prints how many were taken.
const [mode, seconds, size, ...texts] = process.argv.slice(2);
const ports = texts.map(Number);
const data = Buffer.alloc(Number(size));
const socket = await Bun.udpSocket({ hostname: "127.0.0.1" });
const batch: any[] = [];
for (let i = 0; i < 1000; i++) batch.push(data, ports[i % ports.length], "127.0.0.1");
const round =
  mode === "many"
    ? () => socket.sendMany(batch)
    : () => {
        for (let i = 0; i < 1000; i++) socket.send(data, ports[0], "127.0.0.1");
        return 1000;
      };
let count = 0;
const begin = performance.now();
const end = begin + Number(seconds) * 1000;
while (performance.now() < end) count += round();
console.log(count / ((performance.now() - begin) / 1000));
socket.close();
