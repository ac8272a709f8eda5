// The provider's pages: plain HTML, no script, nothing loaded from anywhere.
import { MAX_LOGIN_LENGTH, SUGGESTED_LOGIN } from './accounts.mjs';

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

class Markup {
  constructor(text) {
    this.text = text;
  }
}

function render(value) {
  if (value === undefined || value === null || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  return String(value).replace(/[&<>"']/g, (character) => ESCAPES[character]);
}

/** A template tag that escapes every value but markup made by itself. */
function html(strings, ...values) {
  return new Markup(strings.reduce((text, string, index) => text + render(values[index - 1]) + string));
}

const STYLE = `
:root { color-scheme: light dark;
  --ground: #eef1f6; --surface: #ffffff; --ink: #17202c; --quiet: #5a6676; --line: #d5dbe5;
  --accent: #24527a; --accent-ink: #ffffff; --accent-hover: #1b4165; --field: #f8fafc; --bad: #a4262c; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #0f141b; --surface: #18202a; --ink: #e6ebf2; --quiet: #9aa7b8; --line: #2b3644;
  --accent: #8fbfea; --accent-ink: #0c1a28; --accent-hover: #acd2f5; --field: #121922; --bad: #ff9a96; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 1.5rem 1rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: min(24rem, 100%); }
.brand { display: flex; align-items: center; gap: .625rem; margin: 0 0 1rem .25rem; color: var(--quiet); font-size: .875rem; }
.brand svg { flex: none; color: var(--accent); }
.brand b { color: var(--ink); font-weight: 600; }
.brand span { margin-left: auto; font: .75rem/1 ui-monospace, monospace; }
.card { background: var(--surface); border: 1px solid var(--line); border-radius: 14px; padding: 1.75rem; }
h1 { margin: 0 0 .375rem; font-size: 1.375rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; text-wrap: balance; }
p { margin: 0 0 1.25rem; color: var(--quiet); overflow-wrap: anywhere; }
label { display: block; margin: 0 0 .375rem; font-size: .875rem; font-weight: 600; }
input[type=text] { width: 100%; padding: .6875rem .8125rem; font: inherit; color: inherit; background: var(--field);
  border: 1px solid var(--line); border-radius: 9px; }
button { display: block; width: 100%; margin-top: 1rem; padding: .75rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  border: 1px solid transparent; border-radius: 9px; background: var(--accent); color: var(--accent-ink); }
button:hover { background: var(--accent-hover); }
button.plain { margin-top: .625rem; background: transparent; border-color: var(--line); color: var(--ink); }
button.plain:hover { background: var(--field); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.note { margin: 1rem .25rem 0; font-size: .8125rem; }
.problem { color: var(--bad); margin: .5rem 0 0; font-size: .875rem; }
ul { margin: 0 0 1.25rem; padding: 0; list-style: none; border-top: 1px solid var(--line); }
li { padding: .5rem 0; border-bottom: 1px solid var(--line); font-size: .9375rem; }
dl { margin: 0; font-size: .875rem; } dt { font-weight: 600; } dd { margin: 0 0 .5rem; color: var(--quiet); overflow-wrap: anywhere; }
`;

const EMBLEM = html`<svg width="22" height="22" viewBox="0 0 22 22" fill="none" stroke="currentColor" stroke-width="1.75" aria-hidden="true"><circle cx="11" cy="8" r="3.25"/><path d="M4.5 18.5c.9-3.2 3.4-5 6.5-5s5.6 1.8 6.5 5" stroke-linecap="round"/></svg>`;

function layout({ title, host, body, note }) {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Demo Identity</title>
<link rel="icon" href="data:,">
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
<div class="brand">${EMBLEM}<b>Demo Identity</b><span>${host}</span></div>
<div class="card">
${body}
</div>
${note && html`<p class="note">${note}</p>`}
</main>
</body>
</html>
`.text;
}

/** Who are you? Any name is somebody. */
export function loginPage({ action, host, clientName, loginHint, problem }) {
  return layout({
    title: 'Sign in',
    host,
    body: html`<h1>Sign in</h1>
<p>to continue to ${clientName}</p>
<form method="post" action="${action}">
<input type="hidden" name="prompt" value="login">
<label for="login">Login name</label>
<input type="text" id="login" name="login" value="${loginHint ?? SUGGESTED_LOGIN}" maxlength="${MAX_LOGIN_LENGTH}"
 autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
${problem && html`<p class="problem" role="alert">${problem}</p>`}
<button type="submit">Sign in</button>
<button type="submit" class="plain" name="abort" value="yes" formnovalidate>Cancel</button>
</form>`,
    note: 'This provider is for demonstration: every login name has an account, and there are no passwords.',
  });
}

const SCOPES = {
  openid: 'Know who you are',
  profile: 'See your name',
  email: 'See your e-mail address',
  offline_access: 'Stay signed in while you are away',
};

/** May the client see this? */
export function consentPage({ action, host, clientName, scopes }) {
  return layout({
    title: 'Allow access',
    host,
    body: html`<h1>${clientName} asks for access</h1>
<p>It would be able to:</p>
<ul>${scopes.map((scope) => html`<li>${SCOPES[scope] ?? scope}</li>`)}</ul>
<form method="post" action="${action}">
<input type="hidden" name="prompt" value="consent">
<button type="submit" autofocus>Allow</button>
<button type="submit" class="plain" name="abort" value="yes">Cancel</button>
</form>`,
  });
}

/** oidc-provider's `logoutSource`: the confirmation that RP-Initiated Logout 1.0 §2 asks for. */
export async function signOutPage(ctx, form) {
  ctx.type = 'html';
  ctx.body = layout({
    title: 'Sign out',
    host: ctx.host,
    body: html`<h1>Sign out here too?</h1>
<p>You have left ${ctx.oidc.client?.clientName ?? 'the app'}. Signing out of Demo Identity means that the next sign-in asks for your name again.</p>
${new Markup(form)}
<button autofocus type="submit" form="op.logoutForm" value="yes" name="logout">Sign out</button>
<button type="submit" class="plain" form="op.logoutForm">Stay signed in</button>`,
  });
}

/** oidc-provider's `postLogoutSuccessSource`: where a logout ends that has no way back. */
export async function signedOutPage(ctx) {
  ctx.type = 'html';
  ctx.body = messagePage({ host: ctx.host, title: 'Signed out', text: 'You can close this page.' });
}

/** oidc-provider's `renderError`. */
export async function errorPage(ctx, out) {
  ctx.type = 'html';
  ctx.body = layout({
    title: 'Request refused',
    host: ctx.host,
    body: html`<h1>This request was refused</h1>
<p>The app sent the provider something that it does not accept.</p>
<dl>${Object.entries(out).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`,
  });
}

/** A page that only says something. */
export function messagePage({ host, title, text }) {
  return layout({ title, host, body: html`<h1>${title}</h1><p>${text}</p>` });
}
