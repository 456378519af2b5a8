import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Get, Header, Headers, Inject, Param, Res, StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Problem } from '#http';
import { ApiDocument } from './api-document.js';
import { asyncApiDocument } from './asyncapi.js';
import { CSRF_HEADER } from './browser-session.js';
import { documented } from './documented.js';

const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

const files: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Tierline API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

// With a session cookie (/login), trying an operation needs no key.
const start = `const requestInterceptor = (request) => Object.assign(request, { headers: { ...request.headers, '${CSRF_HEADER}': '1' } });
SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null, requestInterceptor });
`;

// Swagger UI sets styles on its elements and has its icons as data URLs; nothing else is needed, and nothing from elsewhere.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The OpenAPI document, and Swagger UI to read and try it. */
@documented((openapi) => openapi.ApiExcludeController())
@Controller()
export class DocsController {
  #asyncApi: object | undefined;

  constructor(@Inject(ApiDocument) private readonly openapi: ApiDocument) {}

  /** Where to begin: the pages for a browser, the addresses for other clients. */
  @Get()
  @Header('Vary', 'Accept')
  begin(@Headers('accept') accept: string | undefined, @Res({ passthrough: true }) reply: FastifyReply): object | undefined {
    if (accept?.includes('text/html') !== true)
      return { name: 'Tierline', api: '/v1', docs: '/docs', openapi: '/openapi.json', asyncapi: '/asyncapi.json', health: '/health/ready' };
    void reply.code(302).header('Location', '/docs');
    return undefined;
  }

  @Get('openapi.json')
  @Header('Cache-Control', 'no-cache')
  document(): Promise<object> {
    return this.openapi.get();
  }

  @Get('asyncapi.json')
  @Header('Cache-Control', 'no-cache')
  asyncApi(): object {
    return (this.#asyncApi ??= asyncApiDocument());
  }

  @Get('docs')
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', policy)
  page(): string {
    return page;
  }

  @Get('docs/start.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  start(): string {
    return start;
  }

  @Get('docs/:file')
  @Header('Cache-Control', 'max-age=3600')
  file(@Param('file') name: string): StreamableFile {
    const type = Object.hasOwn(files, name) ? files[name] : undefined;
    if (type === undefined) throw Problem.of('not-found', 'There is nothing at this URL');
    return new StreamableFile(createReadStream(join(swaggerUi, name)), { type });
  }
}
