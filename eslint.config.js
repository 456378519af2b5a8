import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import tseslint from 'typescript-eslint';

/**
 * The import law (docs/adr/0001-one-package-of-modules.md): which outside packages and which of our libraries each folder may use.
 * Everything not listed is refused, so a new arrow in the architecture is a reviewed line here. `floors` are a library's folders from the
 * lowest to the highest: a folder imports only from lower ones, and the files beside them from none. `later` names files that are loaded when
 * they are first needed, by `import()`, and the packages that only they import. That nothing imports in circles is checked by
 * test/import-circles.spec.ts.
 */
const law = {
  // Runs in browsers too: nothing of node.
  'libs/audit': { packages: ['@noble/ed25519', '@noble/hashes/*'], libs: [] },
  'libs/eventsourcing': { packages: ['lru-cache', 'uuid', 'node:crypto'], libs: ['audit'] },
  'libs/ticketing': {
    packages: [
      'class-validator',
      'class-transformer',
      'class-validator-jsonschema',
      'temporal-polyfill',
      'valibot',
      '@valibot/to-json-schema',
    ],
    libs: ['eventsourcing'],
    floors: [
      ['contract'],
      ['events'],
      ['sla'],
      ['escalation'],
      ['ticket'],
      ['alerts', 'automation', 'identity', 'knowledge', 'problem'],
      ['major-incident', 'self-service'],
      ['desk', 'what-if'],
      ['access'],
      ['feed', 'views'],
      ['reports'],
    ],
  },
  'libs/eventstoredb': { packages: ['@eventstore/db-client', 'node:*'], libs: ['eventsourcing'] },
  'libs/mongo': { packages: ['mongodb', 'node:*'], libs: ['eventsourcing'] },
  'libs/privacy': { packages: ['lru-cache', 'uuid', 'node:crypto'], libs: ['blobs', 'eventsourcing', 'mongo', 'platform'] },
  'libs/sealing': { packages: ['node:*'], libs: ['audit', 'eventsourcing', 'mongo', 'platform'] },
  'libs/blobs': { packages: ['@aws-sdk/client-s3', 'node:*'], libs: ['eventsourcing'] },
  'libs/platform': {
    packages: ['@nestjs/common', 'picocolors', 'pino', 'node:*'],
    // Only a type: what a bucket is.
    libs: ['audit', 'eventsourcing', 'blobs'],
  },
  'libs/exports': {
    packages: ['csv-stringify/sync', 'hyparquet-writer'],
    libs: [],
    later: [{ file: 'parquet', packages: ['hyparquet-writer'] }],
  },
  'libs/http': {
    packages: [
      '@nestjs/*',
      'fastify',
      'class-validator',
      'class-transformer',
      'class-transformer/cjs/storage.js',
      'ipaddr.js',
      'rate-limiter-flexible',
      'node:*',
    ],
    libs: ['eventsourcing', 'platform'],
  },
  'libs/feeds': {
    packages: ['cloudevents', 'lru-cache'],
    libs: ['eventsourcing', 'platform', 'ticketing'],
    later: [{ file: 'cloud-event-json', packages: ['cloudevents'] }],
  },
  'libs/webhooks': {
    packages: ['ipaddr.js', 'standardwebhooks', 'node:*'],
    libs: ['eventsourcing', 'feeds', 'mongo', 'platform', 'ticketing'],
  },
  'libs/reports': { packages: ['d3-scale', 'd3-shape', 'eta', 'node:*'], libs: ['eventsourcing', 'ticketing', 'ticketing-app'] },
  'libs/inbound-mail': {
    packages: ['imapflow', 'postal-mime', 'node:*'],
    libs: ['blobs', 'eventsourcing', 'mongo', 'platform', 'privacy', 'ticketing', 'ticketing-app'],
  },
  'libs/notifications': {
    packages: ['nodemailer', 'valibot', 'node:*'],
    libs: ['blobs', 'eventsourcing', 'feeds', 'platform', 'ticketing', 'ticketing-app', 'webhooks'],
    later: [{ file: 'mail', packages: ['nodemailer'] }],
  },
  'libs/ticketing-app': {
    packages: ['@simplewebauthn/server', 'date-holidays', 'lru-cache', 'minisearch', 'otpauth', 'node:*'],
    libs: ['audit', 'eventsourcing', 'exports', 'feeds', 'mongo', 'ticketing', 'platform', 'privacy', 'webhooks'],
    later: [{ file: 'public-holidays', packages: ['date-holidays'] }],
  },
  'libs/ticketing-nest': { packages: ['@nestjs/*'], libs: ['eventsourcing', 'ticketing', 'ticketing-app'] },
  'libs/oidc': { packages: ['jose', 'openid-client'], libs: ['eventsourcing', 'platform', 'ticketing'] },
  'libs/embedded-host': { packages: ['lmdb', 'node:*'], libs: [] },
  'libs/embedded-eventstoredb': {
    packages: ['@eventstore/db-client/generated/*', '@grpc/grpc-js', '@tierline/embedded-host', 'lmdb', 'node:*'],
    libs: [],
  },
  'libs/embedded-mongodb': { packages: ['@tierline/embedded-host', 'lmdb', 're2js', 'node:*'], libs: [] },
  'libs/local': {
    packages: ['@peculiar/x509', '@tierline/embedded-eventstoredb', '@tierline/embedded-mongodb', 'reflect-metadata', 'node:*'],
    libs: ['eventsourcing', 'eventstoredb', 'mongo', 'platform', 'privacy'],
    later: [{ file: 'store-certificate', packages: ['@peculiar/x509', 'reflect-metadata'] }],
  },
  'apps/api': {
    packages: [
      '@nestjs/*',
      'class-transformer/cjs/storage.js',
      'class-validator-jsonschema',
      'class-validator-jsonschema/build/decorators.js',
      '@modelcontextprotocol/sdk/*',
      'fastify',
      'reflect-metadata',
      'node:*',
    ],
    libs: [
      'audit',
      'blobs',
      'eventsourcing',
      'exports',
      'feeds',
      'http',
      'inbound-mail',
      'local',
      'oidc',
      'platform',
      'privacy',
      'sealing',
      'ticketing',
      'ticketing-app',
      'ticketing-nest',
      'webhooks',
    ],
    later: [
      { file: 'openapi', packages: ['@nestjs/swagger'] },
      { file: 'mcp-server', packages: ['@modelcontextprotocol/sdk/*'] },
    ],
  },
  'apps/worker': {
    packages: ['node:*'],
    libs: [
      'blobs',
      'eventsourcing',
      'inbound-mail',
      'local',
      'mongo',
      'notifications',
      'platform',
      'privacy',
      'reports',
      'sealing',
      'ticketing',
      'ticketing-app',
      'webhooks',
    ],
  },
  'apps/standalone': { packages: ['node:*'], libs: ['local', 'platform', 'ticketing'] },
  'apps/cli': {
    packages: [
      // Runs the nodes alone, backs them up and measures them.
      '@tierline/embedded-eventstoredb',
      '@tierline/embedded-mongodb',
      '@eventstore/db-client',
      '@eventstore/db-client/generated/*',
      '@grpc/grpc-js',
      '@modelcontextprotocol/sdk/*',
      '@nestjs/*',
      'autocannon',
      'cli-progress',
      'cli-table3',
      'commander',
      'csv-parse',
      'fastify',
      'lmdb',
      // Read mappings of logs.
      '@marcbachmann/cel-js',
      'luxon',
      'valibot',
      'yaml',
      'pg',
      'reflect-metadata',
      'saxes',
      'node:*',
    ],
    libs: [
      'audit',
      'eventsourcing',
      'eventstoredb',
      'exports',
      'http',
      'local',
      'mongo',
      'platform',
      'privacy',
      'sealing',
      'ticketing',
      'ticketing-app',
      'webhooks',
    ],
  },
};

const foldersIn = (folder) =>
  readdirSync(join(import.meta.dirname, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

/** What has no row is under no law: every lib and app needs one, and every folder of a library with floors is on one of them. */
const lawless = [
  ...['libs', 'apps']
    .flatMap((group) => foldersIn(group).map((name) => `${group}/${name}`))
    .filter((folder) => existsSync(join(import.meta.dirname, folder, 'src')) && !Object.hasOwn(law, folder)),
  ...Object.entries(law).flatMap(([folder, { floors }]) =>
    (floors ? foldersIn(`${folder}/src`) : [])
      .filter((name) => name !== 'testing' && !floors.flat().includes(name))
      .map((name) => `${folder}/src/${name}`),
  ),
];
if (lawless.length > 0) throw new Error(`No row in the import law for ${lawless.join(', ')}`);

/** Events without hashes would break the chains of their streams. */
const appendsUnchained = {
  selector: "CallExpression[callee.property.name='append'][callee.object.name='store']",
  message: 'append through appendChained of #eventsourcing',
};

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
const oneOf = (names) => names.map((name) => escape(name).replace('\\*', '.*')).join('|');

/** The files of each floor of a library, with a regular expression that matches imports of what is above it or on the same floor. */
const floorRules = (folder, floors) => [
  { files: `${folder}/src/*.ts`, ignores: [`${folder}/src/index.ts`], regex: `^\\./(?:${oneOf(floors.flat())})/` },
  ...floors.flatMap((floor, level) =>
    floor.flatMap((name) => {
      const barred = floors
        .slice(level)
        .flat()
        .filter((other) => other !== name);
      return barred.length === 0
        ? []
        : [{ files: `${folder}/src/${name}/**/*.ts`, ignores: [], regex: `^(?:\\.\\./)+(?:${oneOf(barred)})/` }];
    }),
  ),
];

/** The patterns of `no-restricted-imports`, which sees declarations only, for `import()`. */
const importCalls = {
  meta: { type: 'problem', schema: [{ type: 'array' }] },
  create: (context) => ({
    ImportExpression({ source }) {
      for (const { regex, message } of context.options[0])
        if (typeof source.value === 'string' && new RegExp(regex).test(source.value)) context.report({ node: source, message });
    },
  }),
};

/** One regular expression per folder that matches every import the law does not allow, and one for each of its floors. */
const lawRules = Object.entries(law).flatMap(([folder, { packages, libs, floors, later = [] }]) => {
  const allowed = [...packages, ...libs.map((lib) => `#${lib}`)];
  const patterns = [
    {
      regex: allowed.length ? `^(?!\\.{1,2}/)(?!(?:${oneOf(allowed)})$)` : '^(?!\\.{1,2}/)',
      message: `${folder} may import only: ${allowed.join(', ') || 'nothing'}`,
    },
    { regex: '^(?:\\.\\./)+(?:[\\w-]+/)*src/', message: 'import a library by its name, #<library>; nothing imports an app' },
  ];
  const rule = (files, ignores, more = []) => ({
    files: [files],
    ignores: ['**/*.spec.ts', '**/testing/**', ...ignores],
    rules: { 'no-restricted-imports': ['error', { patterns: [...patterns, ...more] }] },
  });
  return [
    {
      files: [`${folder}/src/**/*.ts`],
      ignores: ['**/*.spec.ts', '**/testing/**'],
      plugins: { law: { rules: { 'import-calls': importCalls } } },
      rules: { 'law/import-calls': ['error', patterns] },
    },
    rule(`${folder}/src/**/*.ts`, []),
    ...later.map(({ file, packages: itsOwn }) =>
      rule(
        `${folder}/src/**/*.ts`,
        [`${folder}/src/${file}.ts`],
        [
          {
            regex: `^(?:${oneOf(itsOwn)})$|^\\./${escape(file)}\\.js$`,
            message: `${file}.ts and its packages are loaded by import(), when they are needed`,
          },
        ],
      ),
    ),
    ...(floors ? floorRules(folder, floors) : []).map(({ files, ignores, regex }) =>
      rule(files, ignores, [
        { regex, message: `the floors of ${folder}, lowest first: ${floors.map((floor) => floor.join(', ')).join(' → ')}` },
      ]),
    ),
  ];
});

export default tseslint.config(
  { ignores: ['**/dist/', 'node_modules/', 'data/', 'coverage/'] },
  ...tseslint.configs.recommended,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['*.js'] }, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
    },
  },
  {
    // What reaches a terminal goes through `terminal` of libs/platform, which spells out what would steer it.
    files: ['apps/**/*.ts', 'libs/local/**/*.ts'],
    ignores: ['**/*.spec.ts', '**/testing/**', 'apps/cli/src/bench/**'],
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[arguments.length=1][callee.property.name='write'][callee.object.property.name=/^(stdout|stderr)$/]",
          message: 'print through terminal() of #platform',
        },
        appendsUnchained,
      ],
    },
  },
  {
    files: ['libs/{mongo,sealing,ticketing-app,ticketing-nest}/src/**/*.ts'],
    ignores: ['**/*.spec.ts', '**/testing/**'],
    rules: { 'no-restricted-syntax': ['error', appendsUnchained] },
  },
  // Plain JavaScript that is run as it stands.
  { files: ['bin/**/*.js', 'apps/api/log-in/*.js', 'examples/**/*.js', 'test/**/*.{js,cjs}'], ...tseslint.configs.disableTypeChecked },
  ...lawRules,
  {
    // The domain is deterministic: time, ids and chance arrive as data.
    files: ['libs/{eventsourcing,ticketing}/src/**/*.ts'],
    ignores: ['**/*.spec.ts', '**/testing/**'],
    rules: {
      'no-restricted-globals': ['error', 'process', 'setTimeout', 'setInterval', 'fetch'],
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
          message: 'the domain does not ask for the time',
        },
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'the domain does not ask for the time' },
        { selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']", message: 'the domain knows no chance' },
      ],
    },
  },
);
