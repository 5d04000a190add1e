// Opens pages of the site on a screen as wide as a phone's, and prints for each by how much it is wider than that.
//
// phone.cjs CHROMIUM PAGE [PAGE ...]; playwright-core comes from NODE_PATH.
'use strict';

const { pathToFileURL } = require('node:url');
const { chromium } = require('playwright-core');

const [, , executablePath, ...files] = process.argv;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-dev-shm-usage'];
const WIDTH = 390;

// The boxes that hang over the side of the screen, but for those inside of a box that scrolls by itself.
function overhanging(width) {
  const scrolls = (element) => {
    for (let each = element; each && each !== document.body; each = each.parentElement) {
      if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(each).overflowX)) return true;
    }
    return false;
  };
  return [...document.querySelectorAll('article *')]
    .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > width + 1 && !scrolls(each))
    .map((each) => each.outerHTML.slice(0, 120));
}

(async () => {
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 844 } });
  const seen = {};
  for (const file of files) {
    await page.goto(pathToFileURL(file).href);
    const wider = await page.evaluate((width) => document.documentElement.scrollWidth - width, WIDTH);
    const tables = await page.evaluate(() => document.querySelectorAll('article table').length);
    seen[file] = { wider, tables, over: (await page.evaluate(overhanging, WIDTH)).slice(0, 3) };
  }
  await browser.close();
  process.stdout.write(JSON.stringify(seen));
})();
