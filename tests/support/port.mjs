// Ports for the servers of the browser tests, of the panel and of the client.

import { once } from "node:events";
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** A port for a server that is to be started there more than once. It is none of those that the kernel gives to who asks for any port, so that nobody takes it while the server is away. */
export async function lastingPort() {
  const [firstOfAny] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/).map(Number);
  for (;;) {
    const port = randomInt(10_000, Math.max(firstOfAny, 11_000));
    const listener = createServer().listen(port, "127.0.0.1");
    const isFree = await once(listener, "listening").then(() => true, () => false);
    listener.close();
    if (isFree) return port;
  }
}
