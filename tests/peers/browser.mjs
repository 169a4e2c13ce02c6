// Debian's Chromium, headless, with an empty profile and one page at a time. It finds no host but
// those of the rules it is given (--host-resolver-rules) and trusts the one key that it is given.
//
// Arguments: the rules, and the SHA-256 of the trusted key in base64.
// In:  {"op":"open","url","width","height","scheme":"light"|"dark","script":bool,"forced":bool,
//       "tag":1}   the value: the HTTP status
//      {"op":"look","width","height","scheme","forced","font","tag":10}   at the page that is shown
//      {"op":"evaluate","expression":"document.title","tag":2}
//      {"op":"click","selector","tag":3}
//      {"op":"follow","selector","tag":4}   a click that leads to another document
//      {"op":"press","key":"Tab","tag":5}
//      {"op":"enter","key":"Enter","tag":9}   a key that leads to another document
//      {"op":"screenshot","file","selector":null|"...","tag":6}   the whole page, or one element
//      {"op":"accessible","tag":7}   [role, name, level] of each node that a screen reader gets
//      {"op":"complaints","tag":8}   what the console said since the page was opened
// Out: {"event":"ready","version"}
//      {"event":"done","value","tag"}
//      {"event":"failed","text":"why","tag"}
import { createInterface } from 'node:readline';

import { load } from './packages.mjs';

const {
  default: { chromium },
} = await load('playwright-core');
const [rules, trustedKey] = process.argv.slice(2);
const DEADLINE_MS = 30_000;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// Playwright makes the profile and removes it.
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    `--host-resolver-rules=${rules}`,
    `--ignore-certificate-errors-spki-list=${trustedKey}`,
  ],
});

// One page with scripts and one without: making a new one takes half a second.
const pages = new Map();
let page;
let complaints = [];

async function newPage(script) {
  const context = await browser.newContext({ javaScriptEnabled: script });
  context.setDefaultTimeout(DEADLINE_MS);
  const made = await context.newPage();
  made.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  made.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  return made;
}

async function open({ url, script, ...view }) {
  if (!pages.has(script)) {
    pages.set(script, await newPage(script));
  }
  page = pages.get(script);
  complaints = [];
  await look(view);
  return (await page.goto(url)).status();
}

async function look({ width, height, scheme, forced, font }) {
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: scheme, forcedColors: forced ? 'active' : 'none' });
  const session = await page.context().newCDPSession(page);
  await session.send('Page.setFontSizes', { fontSizes: { standard: font } });
  await session.detach();
}

async function follow({ selector }) {
  const loaded = page.waitForEvent('load');
  await Promise.all([loaded, page.click(selector)]);
}

async function enter({ key }) {
  const loaded = page.waitForEvent('load');
  await Promise.all([loaded, page.keyboard.press(key)]);
}

// The caret is left alone: hiding it needs a style element, which the page's policy forbids.
async function screenshot({ file, selector }) {
  const options = { path: file, caret: 'initial' };
  await (selector
    ? page.locator(selector).screenshot(options)
    : page.screenshot({ ...options, fullPage: true }));
}

async function accessible() {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  return nodes
    .filter((node) => !node.ignored)
    .map((node) => [
      node.role.value,
      node.name?.value ?? '',
      node.properties?.find((property) => property.name === 'level')?.value.value ?? null,
    ]);
}

const operations = {
  open,
  look,
  evaluate: ({ expression }) => page.evaluate(expression),
  click: ({ selector }) => page.click(selector),
  follow,
  enter,
  press: ({ key }) => page.keyboard.press(key),
  screenshot,
  accessible,
  complaints: () => complaints,
};

say({ event: 'ready', version: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  const { op, tag, ...details } = JSON.parse(line);
  try {
    say({ event: 'done', value: (await operations[op](details)) ?? null, tag });
  } catch (error) {
    say({ event: 'failed', text: String(error?.message ?? error), tag });
  }
}
await browser.close();
