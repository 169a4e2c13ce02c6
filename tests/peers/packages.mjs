// npm's packages live outside the source tree, in build/peers (see prepare), or where
// DOORBELL_PEERS says.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder =
  process.env.DOORBELL_PEERS ?? fileURLToPath(new URL('../../build/peers', import.meta.url));
const require = createRequire(join(folder, 'package.json'));

export const resolve = (name) => require.resolve(name);
export const load = (name) => import(pathToFileURL(resolve(name)).href);
