// The React bindings in a real browser, with both Reacts that they support.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { bundlePage, loadServer } from './bundle.mjs';
import { launch, PATIENCE, watch } from './chromium.mjs';
import { SESSION, json, openSite } from './site.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const provider = (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<title>provider</title>');
const nobody = (_request, response) => json(response, 401, { code: 'no_session' });

for (const react of [18, 19]) {
  describe(`React ${react}`, () => {
    let site, context, page, script, server;

    before(async () => {
      script = await bundlePage('react/client.jsx', { react });
      server = await loadServer('react/server.jsx', { react });
    });

    beforeEach(async () => {
      site = await openSite();
      site.files.set('/app.js', { type: 'text/javascript', body: script });
      show('');
      context = await browser.newContext();
      context.setDefaultTimeout(PATIENCE);
      page = await context.newPage();
      await page.addInitScript(() => {
        window.records = { complaints: [], recovered: [] };
        const { error } = console;
        console.error = (...parts) => {
          window.records.complaints.push(parts.join(' '));
          error(...parts);
        };
      });
    });
    afterEach(async () => {
      const { complaints = [], recovered = [] } = await page.evaluate(() => window.records ?? {}).finally(async () => {
        await context.close();
        site.close();
      });
      assert.deepEqual({ complaints, recovered }, { complaints: [], recovered: [] });
    });

    /** Serves the app's page with this content of its root. */
    const show = (html) =>
      site.files.set('/app', {
        type: 'text/html; charset=utf-8',
        body: `<!doctype html><title>app</title><div id="root">${html}</div><script type="module" src="/app.js"></script>`,
      });
    const open = (scenario) => page.goto(`${site.origin}/app?scenario=${scenario}`);
    const sees = (id, text) =>
      page.waitForFunction(([id, text]) => document.getElementById(id)?.textContent.trim() === text, [id, text]);
    const records = (name) => page.evaluate((name) => window.records[name] ?? [], name);
    const logins = () => site.requests.filter(({ url }) => url.startsWith('/bff/login'));

    test('it is this version', async () => {
      await open('Hello');
      await sees('status', 'authenticated Ada <b>');
      assert.equal(Number.parseInt(await page.evaluate(() => window.version)), react);
    });

    test('Strict Mode makes one request, and the user appears', async () => {
      await open('Hello');
      await sees('status', 'authenticated Ada <b>');
      await sees('gate', SESSION.email);
      assert.equal(await page.locator('#stranger').count(), 0);
      assert.equal(site.sessionRequests(), 1);
      assert.deepEqual([...new Set(await records('statuses'))], ['initialising', 'authenticated']);
    });

    test('components that only act do not render again when the state changes', async () => {
      await open('Hello');
      await sees('status', 'authenticated Ada <b>');
      // Twice: Strict Mode renders everything so.
      assert.equal((await records('renders of Buttons')).length, 2);
    });

    test('a stranger is recognised, and can log in by a click', async () => {
      site.session = nobody;
      await open('Hello');
      await sees('stranger', 'Nobody');
      await sees('gate', 'not yet: unauthenticated');
      await Promise.all([page.waitForRequest(/\/bff\/login\?/), page.click('#login')]);
      assert.equal(new URL(logins()[0].url, site.origin).searchParams.get('redirect_uri'), '/app?scenario=Hello');
    });

    test('an outage is not shown as a missing session, and keeps the user', async () => {
      await open('Hello');
      await sees('gate', SESSION.email);
      site.session = (_request, response) => json(response, 503, {}, { 'retry-after': '1' });
      await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
      await sees('status', 'unavailable Ada <b>');
      await sees('gate', SESSION.email);
      site.session = (_request, response) => json(response, 200, SESSION);
      await sees('status', 'authenticated Ada <b>');
    });

    test('a click logs out, and every tab shows it', async () => {
      await open('Hello');
      await sees('gate', SESSION.email);
      const other = await context.newPage();
      await other.addInitScript(() => void (window.records = { complaints: [], recovered: [] }));
      await other.goto(page.url());
      await other.getByText(SESSION.email).waitFor();
      await Promise.all([page.waitForRequest(/\/bff\/logout$/), page.click('#logout')]);
      await other.getByText('Nobody').waitFor();
      await page.goto(`${site.origin}/app?scenario=Hello`);
    });

    test('without autostart nothing is asked, until useAuthtoolContext is used', async () => {
      await open('NotStarted');
      await sees('status', 'initialising');
      assert.equal(site.sessionRequests(), 0);
      await page.click('#use');
      await sees('status', 'authenticated');
      assert.equal(site.sessionRequests(), 1);
      const contexts = await records('contexts');
      assert.ok(contexts.every(({ same, keys }) => same && keys === 'error,session,status'), JSON.stringify(contexts));
    });

    test('RequireAuth shows its children to the user, and leads a stranger to the login, once', async () => {
      await open('Guarded');
      await sees('secret', 'inside');
      assert.equal(logins().length, 0);

      site.session = nobody;
      site.login = provider;
      await open('Guarded');
      await page.waitForURL(/\/bff\/login/);
      assert.equal(logins().length, 1);
    });

    test('a login that leads nowhere ends in an error, not in a loop', async () => {
      site.session = nobody;
      site.login = (_request, response) => response.writeHead(303, { location: '/app?scenario=Guarded' }).end();
      const isShown = await watch(page, 'fallback', 'login_loop');
      await open('Guarded');
      await isShown();
      assert.equal(logins().length, 2);
      assert.equal(await page.locator('#secret').count(), 0);
    });

    test('back from the provider through the browser’s memory, the login is offered again', async () => {
      site.session = nobody;
      site.login = provider;
      await page.goto(`${site.origin}/elsewhere?bare`);
      await open('Guarded');
      await page.waitForURL(/\/bff\/login/);
      site.session = (_request, response) => json(response, 200, SESSION);
      await page.goBack({ waitUntil: 'commit' });
      await sees('secret', 'inside');
    });

    test('RequireAuth passes on the options of the login', async () => {
      site.session = nobody;
      site.login = provider;
      await open('GuardedWithOptions');
      await page.waitForURL(/\/bff\/login/);
      assert.equal(new URL(page.url()).searchParams.get('redirect_uri'), `${site.origin}/elsewhere`);
    });

    test('an unmounted provider is silent, and mounted anew it works', async () => {
      await open('Toggled');
      await sees('status', 'authenticated Ada <b>');
      await page.click('#toggle');
      // The turn in which the manager ends.
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
      await page.evaluate(() => {
        dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
        dispatchEvent(new Event('online'));
        new BroadcastChannel('authtool:/bff').postMessage('login');
      });
      await page.evaluate(() => fetch('/bff/elsewhere'));
      assert.equal(site.sessionRequests(), 1);
      await page.click('#toggle');
      await sees('status', 'authenticated Ada <b>');
      assert.equal(site.sessionRequests(), 2);
    });

    test('managers that Strict Mode makes for nothing leave nothing behind', async () => {
      await page.addInitScript(() => {
        window.channels = 0;
        const { BroadcastChannel } = window;
        window.BroadcastChannel = class extends BroadcastChannel {
          constructor(name) {
            super(name);
            window.channels++;
          }

          close() {
            super.close();
            window.channels--;
          }
        };
      });
      await open('Toggled');
      await sees('status', 'authenticated Ada <b>');
      await page.waitForFunction(() => window.channels === 1);
      await page.click('#toggle');
      await page.waitForFunction(() => window.channels === 0);
    });

    if (react === 19) {
      test('hidden and shown again by an Activity, it still works', async () => {
        await open('Hidden');
        await sees('status', 'authenticated Ada <b>');
        await page.click('#toggle');
        await page.locator('#status').waitFor({ state: 'hidden' });
        await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
        site.session = nobody;
        await page.click('#toggle');
        await sees('status', 'unauthenticated');
      });
    }

    test('a manager of the app’s own is neither started nor disposed of', async () => {
      await open('Given');
      await sees('status', 'initialising');
      assert.equal(site.sessionRequests(), 0);
      await page.evaluate(() => window.own.start());
      await sees('who', SESSION.name);
      await page.click('#toggle');
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
      site.session = nobody;
      assert.equal(await page.evaluate(async () => (await window.own.check()).status), 'unauthenticated');
      await page.click('#toggle');
      await sees('who', 'nobody');
    });

    test('a part that suspends at first costs no second request', async () => {
      await open('Suspended');
      await sees('loading', 'loading');
      await page.evaluate(() => window.finishLoading());
      await sees('who', SESSION.name);
      assert.equal(site.sessionRequests(), 1);
    });

    test('a state that changes during a transition is shown everywhere at once', async () => {
      await open('Concurrent');
      await page.click('#fill');
      await page.evaluate(() => window.own.start());
      await page.waitForFunction(() => document.querySelectorAll('li').length === 40 && document.querySelector('li').textContent === 'authenticated');
      const mixtures = await records('mixtures');
      assert.ok(mixtures.every((shown) => !shown.includes(',')), JSON.stringify(mixtures));
    });

    test('what a server renders is what the browser renders first', async () => {
      const html = server.render('Hello');
      assert.match(html, /<p id="status">initialising/);
      assert.match(html, /not yet: .*initialising/);
      show(html);
      await open('Hello');
      await sees('status', 'authenticated Ada <b>');
      assert.equal(site.sessionRequests(), 1);
    });

    test('hydration matches even when the session is known before it', async () => {
      show(server.render('Given'));
      await page.goto(`${site.origin}/app?scenario=Given&later`);
      await page.waitForFunction(() => window.own);
      await page.evaluate(() => window.own.start());
      await page.evaluate(() => window.begin());
      await sees('who', SESSION.name);
      assert.equal((await records('statuses'))[0], 'initialising');
    });

    test('a guarded page renders on a server as its fallback, and leads nowhere there', async () => {
      const html = server.render('Guarded');
      assert.match(html, /<p id="fallback">initialising/);
      assert.doesNotMatch(html, /inside/);
    });

    test('without a provider, the error says what to do', async () => {
      await open('Orphan');
      await sees('message', 'authtool: no <AuthtoolProvider> above this component; put one around the app');
      // React tells the developer, too.
      await page.evaluate(() => void (window.records.complaints = []));
    });
  });
}
