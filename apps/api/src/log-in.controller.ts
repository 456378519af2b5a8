import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Problem } from '#http';
import { CSRF_HEADER } from './browser-session.js';
import { documented } from './documented.js';

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Log in to Tierline</title>
    <link rel="stylesheet" href="/login/page.css">
  </head>
  <body>
    <main>
      <h1>Tierline</h1>
      <p id="said" role="status"></p>
      <noscript><p>Logging in takes JavaScript.</p></noscript>
      <p><button id="log-in" type="button" hidden>Log in</button><button id="log-out" type="button" hidden>Log out</button></p>
      <p><a href="/docs">Documentation of the API</a></p>
    </main>
    <script src="/login/page.js"></script>
  </body>
</html>
`;

const style = `body { font: 1rem/1.5 system-ui, sans-serif; margin: 4rem auto; max-width: 32rem; padding: 0 1rem; }
button { font: inherit; padding: .5rem 1rem; }
`;

// What follows the # is never sent to a server, so a link is in no log. It is used when somebody presses the button: who only looks at the
// page (a mail scanner, a browser that fetches ahead) does not use it up.
const script = `'use strict';
const at = (id) => document.getElementById(id);
const say = (text) => { at('said').textContent = text; };
const ask = async (method, path, body) => {
  const headers = { '${CSRF_HEADER}': '1', ...(body && { 'Content-Type': 'application/json' }) };
  const answer = await fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  return { ok: answer.ok, json: await answer.json().catch(() => ({})) };
};
async function show() {
  const { ok, json } = await ask('GET', '/v1/principal');
  at('log-out').hidden = !ok;
  if (!ok) return say('Nobody is logged in. Whoever runs this server makes a link: npx tierline login-link');
  const { principal: { id, name = id, roles }, credential } = json;
  say('Logged in as ' + name + ' (' + roles.join(', ') + ').');
  at('log-out').onclick = async () => {
    await ask('DELETE', '/v1/sessions/' + encodeURIComponent(credential.key));
    await show();
  };
}
async function begin() {
  const link = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
  if (link === '') return show();
  say('This link logs you in, once.');
  at('log-in').hidden = false;
  at('log-in').onclick = async () => {
    at('log-in').hidden = true;
    const { ok, json } = await ask('POST', '/v1/sessions', { link });
    if (ok) await show();
    else say(json.detail ?? 'The server did not answer.');
  };
}
addEventListener('hashchange', () => { if (location.hash !== '') void begin(); });
void begin();
`;

const files: Readonly<Record<string, { readonly type: string; readonly text: string }>> = {
  'page.css': { type: 'text/css; charset=utf-8', text: style },
  'page.js': { type: 'text/javascript; charset=utf-8', text: script },
};

/** The page that people log in and out on. */
@documented((openapi) => openapi.ApiExcludeController())
@Controller('login')
export class LogInController {
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header(
    'Content-Security-Policy',
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  @Header('Referrer-Policy', 'no-referrer')
  page(): string {
    return page;
  }

  @Get(':file')
  file(@Param('file') name: string, @Res({ passthrough: true }) reply: FastifyReply): string {
    const file = Object.hasOwn(files, name) ? files[name] : undefined;
    if (file === undefined) throw Problem.of('not-found', 'There is nothing at this address');
    void reply.header('Content-Type', file.type);
    return file.text;
  }
}
