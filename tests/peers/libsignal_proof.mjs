// Signal's own client library (npm @signalapp/libsignal-client) against a server that claims to
// be Signal's, worked by lines of JSON. What it accepts, official clients accept.
//
// Usage: libsignal_proof.mjs PORT CA_FILE [1|2]   (the server answers as https://localhost:PORT,
//        in this version of HTTP)
// In:  {"op":"connect","username":"<uuid>.<device>","password":"..."}
//      {"op":"connect_anonymously"}
//      {"op":"ack","index":0,"status":200}   answers the incoming message of that number
//      {"op":"fetch","verb":"GET","path":"/v1/keepalive"}
//      {"op":"disconnect"}, {"op":"stop"}
// Out: {"event":"connected"}, {"event":"failed","code","text"},
//      {"event":"message","index","size","envelope","timestamp"}   (envelope in hex up to 4 KiB),
//      {"event":"queue_empty"}, {"event":"alerts","alerts"},
//      {"event":"fetched","status","headers"}, {"event":"disconnected","code","text"}
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { load } from './packages.mjs';

const { Net: network, ErrorCode, LogLevel, initLogger } = await load('@signalapp/libsignal-client');

const [port, ca, version = '1'] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
if (process.env.LIBSIGNAL_LOG) {
  initLogger(LogLevel.Debug, (_level, _target, _file, _line, text) => console.error(text));
}

const net = new network.Net({
  localTestServer: true,
  userAgent: 'doorbell-test-peer',
  TESTING_localServer_chatPort: Number(port),
  TESTING_localServer_cdsiPort: Number(port),
  TESTING_localServer_svr2Port: Number(port),
  TESTING_localServer_svrBPort: Number(port),
  TESTING_localServer_rootCertificateDer: new Uint8Array(new X509Certificate(readFileSync(ca)).raw),
  TESTING_localServer_httpVersion: Number(version),
});

const acks = [];
let connection;

const describe = (error) => ({
  code: error?.code === undefined ? null : (ErrorCode[error.code] ?? error.code),
  text: error ? String(error.message ?? error) : null,
});

const listener = {
  onIncomingMessage(envelope, timestamp, ack) {
    const bytes = Buffer.from(envelope);
    acks.push(ack);
    say({
      event: 'message',
      index: acks.length - 1,
      size: bytes.length,
      envelope: bytes.length <= 4096 ? bytes.toString('hex') : null,
      timestamp,
    });
  },
  onQueueEmpty: () => say({ event: 'queue_empty' }),
  onReceivedAlerts: (alerts) => say({ event: 'alerts', alerts }),
  onConnectionInterrupted: (cause) => say({ event: 'disconnected', ...describe(cause) }),
};

const operations = {
  async connect({ username, password }) {
    connection = await net.connectAuthenticatedChat(username, password, false, listener);
    say({ event: 'connected' });
  },
  async connect_anonymously() {
    connection = await net.connectUnauthenticatedChat(listener);
    say({ event: 'connected' });
  },
  async fetch({ verb, path }) {
    const response = await connection.fetch({ verb, path, headers: [], timeoutMillis: 5000 });
    say({ event: 'fetched', status: response.status, headers: response.headers });
  },
  async ack({ index, status }) {
    acks[index].send(status);
  },
  async disconnect() {
    await connection.disconnect();
  },
};

say({ event: 'ready' });
for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...details } = JSON.parse(line);
  if (op === 'stop') {
    break;
  }
  operations[op](details).catch((error) => say({ event: 'failed', ...describe(error) }));
}
process.exit(0);
