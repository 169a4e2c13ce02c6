// Signal's own mock server (npm @signalapp/mock-server) with one linked device, worked by lines
// of JSON.
//
// Usage: mock_signal.mjs [1|2]   the version of HTTP; no release of the mock speaks both
//
// The first line out says where it listens, who the device is and which CA signed the
// certificate.
// In:  {"op":"send","urgent":true|false|null,"size":200,"tag":1}   from a second account
//      {"op":"stop"}
// Out: {"event":"delivered","tag":1,"status":200}   the client answered it
//      {"event":"error","text":"..."}
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

import { load, resolve } from './packages.mjs';

const speaks2 = process.argv[2] === '2';
const name = speaks2 ? 'mock-server-27' : '@signalapp/mock-server';
const { Server } = await load(name);
const root = dirname(resolve(`${name}/package.json`));
const { default: compiled } = await load(`${name}/protos/compiled.js`);
const { Envelope } = compiled.signalservice;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const folder = mkdtempSync(join(tmpdir(), 'mock-signal-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const server = new Server({ cdn3Path: folder });
await server.listen(0, '127.0.0.1');
const password = randomBytes(18).toString('base64');
const primary = await server.createPrimaryDevice({ profileName: 'Phone' });
const friend = await server.createPrimaryDevice({ profileName: 'Friend' });
const device = await server.registerDevice({
  primary: primary.device,
  registrationId: 1234,
  pniRegistrationId: 1235,
  password,
});

function envelope({ urgent = true, size = 200 }) {
  const now = speaks2 ? BigInt(Date.now()) : Date.now();
  const encoded = Envelope.encode({
    ...Envelope.decode(new Uint8Array()), // one release wants every field
    type: Envelope.Type.UNIDENTIFIED_SENDER,
    clientTimestamp: now,
    serverTimestamp: now,
    destinationServiceIdBinary: device.aciRawUuid,
    serverGuidBinary: randomBytes(16),
    content: randomBytes(size),
    urgent,
    sourceServiceIdBinary: friend.device.aciRawUuid,
    sourceDeviceId: 1,
  });
  return Buffer.from(speaks2 ? encoded : encoded.finish());
}

async function send(command) {
  const status = await server.send(device, envelope(command));
  say({ event: 'delivered', tag: command.tag ?? null, status: status ?? 200 });
}

say({
  event: 'ready',
  port: server.address().port,
  ca: join(root, 'certs', 'ca-cert.pem'),
  uuid: device.aci,
  device: device.deviceId,
  password,
});

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.op === 'stop') {
    break;
  }
  send(command).catch((error) => say({ event: 'error', text: String(error) }));
}
process.exit(0);
