// Looks at pages in a real Chromium and prints what it saw as one JSON document.
//
// browser.cjs CHROMIUM DIRECTORY PAGE [PAGE ...]: the browser, where screenshots go (empty: nowhere), the page to look at
// from all sides, and pages of which only the content is counted. playwright-core and axe-core come from NODE_PATH.
'use strict';

const { readFileSync } = require('node:fs');
const { pathToFileURL } = require('node:url');
const { chromium } = require('playwright-core');

const [, , executablePath, shots, ...files] = process.argv;
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
];

// Every element and attribute of the page, how often, and whether anything on it could act.
function census() {
  const found = { elements: {}, attributes: {}, links: [], texts: document.body.textContent.length };
  for (const element of document.querySelectorAll('*')) {
    const name = element.localName;
    found.elements[name] = (found.elements[name] || 0) + 1;
    for (const attribute of element.attributes) {
      found.attributes[attribute.name] = (found.attributes[attribute.name] || 0) + 1;
      if (attribute.name === 'href') found.links.push(attribute.value);
    }
  }
  found.links = [...new Set(found.links)];
  found.ran = window.ran === undefined ? null : String(window.ran);
  return found;
}

// What the keyboard has to reach.
const CONTROLS = 'a[href], summary, button, input, select, textarea, [tabindex]';

async function tabbed(page) {
  const expected = await page.evaluate((selector) => {
    const all = [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility());
    all.forEach((each, place) => { each.dataset.place = String(place); });
    return all.length;
  }, CONTROLS);
  const order = [];
  let unseen = 0;
  for (let count = 0; count < expected + 2; count += 1) {
    await page.keyboard.press('Tab');
    const [place, outlined] = await page.evaluate(() => {
      const active = document.activeElement;
      return [active?.dataset.place ?? null, active ? getComputedStyle(active).outlineStyle !== 'none' : false];
    });
    if (place === null || order.includes(Number(place))) break;
    order.push(Number(place));
    if (!outlined) unseen += 1;
  }
  return { expected, reached: order.length, inOrder: order.every((place, n) => place === n), withoutOutline: unseen };
}

// What is on paper: the ink, the background, whether closed boxes show their inside.
async function printed(page) {
  await page.reload();
  await page.emulateMedia({ media: 'print' });
  const found = await page.evaluate(() => {
    const closed = [...document.querySelectorAll('details.run:not([open])')];
    return {
      ink: getComputedStyle(document.body).color,
      paper: getComputedStyle(document.documentElement).backgroundColor,
      closed: closed.length,
      told: closed.filter((each) => each.querySelector('.events').getBoundingClientRect().height > 0).length,
      links: [...document.querySelectorAll('nav')].filter((each) => each.checkVisibility()).length,
    };
  });
  await page.emulateMedia({ media: null });
  return found;
}

async function look(browser, file, size, colorScheme, { javaScriptEnabled = true, whole = true } = {}) {
  const context = await browser.newContext({
    viewport: SIZES[size], colorScheme, javaScriptEnabled, offline: true, deviceScaleFactor: 1,
  });
  const page = await context.newPage();
  const [requests, complaints] = [[], []];
  const address = pathToFileURL(file).href;
  await context.route('**/*', (route) => {
    if (route.request().url() === address) return route.continue();
    requests.push(route.request().url());
    return route.abort();
  });
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => { complaints.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(address, { waitUntil: 'load' });
  const seen = { file, size, colorScheme, javaScriptEnabled, title: await page.title() };
  if (javaScriptEnabled) {
    seen.census = await page.evaluate(census);
    seen.overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (whole) seen.keys = await tabbed(page);
    await page.evaluate(() => document.querySelectorAll('details').forEach((each) => { each.open = true; }));
    seen.overflowOpened = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (whole) {
      await page.evaluate(AXE); // through the debugger: the page's own policy lets no script in
      const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations', 'incomplete'] }));
      const brief = (each) => ({ id: each.id, nodes: each.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)) });
      seen.violations = result.violations.map(brief);
      seen.undecided = result.incomplete.map(brief);
      seen.passes = result.passes.length;
      seen.printed = await printed(page);
    }
  } else {
    const box = page.locator('details').last();
    if (await box.count() > 0) {
      const inside = box.locator('xpath=./*[not(self::summary)]').first();
      seen.closed = await inside.isVisible();
      await box.locator('summary').first().click();
      seen.opened = await inside.isVisible();
    }
  }
  if (shots && whole) {
    await page.reload();
    const name = `${size}-${colorScheme}${javaScriptEnabled ? '' : '-no-script'}`;
    await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
  }
  Object.assign(seen, { requests, complaints });
  await context.close();
  return seen;
}

(async () => {
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
  try {
    const looks = [];
    for (const size of Object.keys(SIZES)) {
      for (const scheme of ['light', 'dark']) looks.push(await look(browser, files[0], size, scheme));
    }
    looks.push(await look(browser, files[0], 'phone', 'light', { javaScriptEnabled: false }));
    for (const other of files.slice(1)) looks.push(await look(browser, other, 'phone', 'light', { whole: false }));
    process.stdout.write(JSON.stringify(looks));
  } finally {
    await browser.close();
  }
})().catch((error) => { process.stderr.write(`${error.stack}\n`); process.exit(1); });
