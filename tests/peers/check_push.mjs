// Judges pushes as a web push server and a phone would, with libraries that are not ours: jose
// for the VAPID token (RFC 8292), web-push-testing and http_ece for the encrypted body (RFC
// 8291).
//
// In:  {"op":"subscribe","key":"<VAPID public key>","tag":1}
//      {"op":"check","hash":null|"<of the subscription>","origin":"https://...",
//       "headers":{...},"body":"<hex>","tag":2}
// Out: {"event":"subscribed","hash","p256dh","auth","tag"}
//      {"event":"checked","claims","header","key","text":null|"<decrypted>","tag"}
//      {"event":"refused","text":"why","tag"}
import { createInterface } from 'node:readline';

import { load } from './packages.mjs';

const { importJWK, jwtVerify } = await load('jose');
const { default: testing } = await load('web-push-testing/src/PushApiModel.js');

const phone = new testing.PushApiModel();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function subscribe({ key, tag }) {
  const subscription = await phone.subscribe({
    userVisibleOnly: 'true',
    applicationServerKey: key,
  });
  const { p256dh, auth } = subscription.keys;
  const url = (text) => Buffer.from(text, 'base64').toString('base64url');
  say({
    event: 'subscribed',
    hash: subscription.clientHash,
    p256dh: url(p256dh),
    auth: url(auth),
    tag,
  });
}

function jwkOf(key) {
  const point = Buffer.from(key, 'base64url');
  if (point.length !== 65 || point[0] !== 4 || point.toString('base64url') !== key) {
    throw new Error('k is not an uncompressed point in base64url without padding');
  }
  const coordinate = (at) => point.subarray(at, at + 32).toString('base64url');
  return { kty: 'EC', crv: 'P-256', alg: 'ES256', x: coordinate(1), y: coordinate(33) };
}

async function check({ hash, origin, headers, body, tag }) {
  const match = /^vapid t=([\w-]+\.[\w-]+\.[\w-]+), ?k=([\w-]+)$/.exec(headers.authorization ?? '');
  if (!match) {
    throw new Error('Authorization is not of the form "vapid t=..., k=..."');
  }
  const [, token, key] = match;
  const { payload, protectedHeader } = await jwtVerify(token, await importJWK(jwkOf(key)), {
    algorithms: ['ES256'],
    audience: origin,
    requiredClaims: ['aud', 'exp', 'sub'],
  });
  let text = null;
  if (hash) {
    await phone.handleNotification(
      hash,
      {
        encoding: headers['content-encoding'],
        encryption: headers.encryption,
        cryptoKey: headers['crypto-key'],
        authorization: headers.authorization,
        ttl: headers.ttl,
      },
      Buffer.from(body, 'hex'),
    );
    text = phone.getNotifications({ clientHash: hash }).messages.at(-1);
  }
  say({ event: 'checked', claims: payload, header: protectedHeader, key, text, tag });
}

const operations = { subscribe, check };

say({ event: 'ready' });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    await operations[command.op](command);
  } catch (error) {
    say({ event: 'refused', text: String(error?.message ?? error), tag: command.tag ?? null });
  }
}
