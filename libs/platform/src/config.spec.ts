import { ConfigError, loadConfig } from './config.js';

describe('loadConfig', () => {
  it('has a default for everything', () => {
    expect(loadConfig({})).toEqual({
      host: '127.0.0.1',
      port: 3000,
      allowedOrigins: [],
      trustProxy: [],
      timeouts: { headersMs: 10_000, requestMs: 60_000, keepAliveMs: 72_000 },
      rateLimits: { person: 6_000, service: 300_000, address: 3_000, failures: 100, shared: false },
      cursorKeyFile: './data/cursor-key',
      dataDir: './data',
      attachmentsDir: './data/attachments',
      reportsDir: './data/reports',
      embeddedEventStoreDBPort: 12113,
      embeddedMongoDBPort: 17017,
      partitions: 1,
      sealing: { everyMinutes: 60, keyFile: './data/sealing-key', headsFile: './data/tree-heads.ndjson' },
      personalKeyFile: './data/personal-key',
      logIn: { keyFile: './data/log-in-key', secondFactorRoles: [], passkeys: { rpId: 'localhost', origins: ['http://localhost:3000'] } },
      webhooks: { keyFile: './data/webhook-key', networks: [] },
      notifications: {},
      logLevel: 'info',
    });
  });

  it('reads an identity provider', () => {
    const bearer = { OIDC_ISSUER: 'https://id.example/realms/it', OIDC_AUDIENCE: 'tierline' };
    expect(loadConfig(bearer).oidc).toEqual({
      issuer: 'https://id.example/realms/it',
      audience: 'tierline',
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      claims: { id: 'sub', roles: 'roles', clients: 'clients', tiers: 'tiers', teams: 'teams' },
    });
    const all = {
      ...bearer,
      OIDC_ALGORITHMS: 'ES256, RS512',
      OIDC_ID_CLAIM: 'oid',
      OIDC_ROLES_CLAIM: 'groups',
      OIDC_ROLES: 'cn=desk=agent,leads=lead',
      OIDC_CLIENTS_CLAIM: 'groups',
      OIDC_CLIENTS: 'staff=*',
      OIDC_TIERS_CLAIM: 'tier',
      OIDC_TEAMS_CLAIM: 'team',
      OIDC_CLIENT_ID: 'tierline-web',
      OIDC_CLIENT_SECRET: 's3cret',
      OIDC_REDIRECT_URI: 'https://desk.example/login/callback',
      OIDC_SCOPES: 'openid groups',
    };
    expect(loadConfig(all).oidc).toEqual({
      issuer: 'https://id.example/realms/it',
      audience: 'tierline',
      algorithms: ['ES256', 'RS512'],
      claims: {
        id: 'oid',
        roles: 'groups',
        roleOf: new Map([
          ['cn=desk', 'agent'],
          ['leads', 'lead'],
        ]),
        clients: 'groups',
        clientOf: new Map([['staff', '*']]),
        tiers: 'tier',
        teams: 'team',
      },
      browser: {
        clientId: 'tierline-web',
        clientSecret: 's3cret',
        redirectUri: 'https://desk.example/login/callback',
        scopes: 'openid groups',
      },
    });
    const faults = (env: Record<string, string>): readonly string[] => {
      try {
        loadConfig(env);
        return [];
      } catch (error) {
        return (error as ConfigError).faults.map(({ field }) => field);
      }
    };
    expect(faults({ ...all, OIDC_CLIENT_ID: 'tierline' })).toEqual(['OIDC_AUDIENCE']);
    expect(faults({ OIDC_ISSUER: 'http://id.example' })).toEqual(['OIDC_ISSUER', 'OIDC_AUDIENCE']);
    expect(faults({ ...bearer, OIDC_ALGORITHMS: 'HS256' })).toEqual(['OIDC_ALGORITHMS']);
    expect(faults({ ...bearer, OIDC_ALGORITHMS: 'RS256,none' })).toEqual(['OIDC_ALGORITHMS']);
    expect(faults({ OIDC_CLIENT_SECRET: 'x' })).toEqual(['OIDC_CLIENT_ID']);
    expect(faults({ ...bearer, OIDC_CLIENT_ID: 'x' })).toEqual(['OIDC_REDIRECT_URI']);
    expect(faults({ ...all, OIDC_REDIRECT_URI: 'https://desk.example/callback', OIDC_SCOPES: 'profile', OIDC_ROLES: 'agent' })).toEqual([
      'OIDC_ROLES',
      'OIDC_REDIRECT_URI',
      'OIDC_SCOPES',
    ]);
  });

  it('treats empty variables as unset', () => {
    expect(loadConfig({ PORT: '', TIERLINE_EVENTSTORE_URL: ' ', HOST: '' })).toEqual(loadConfig({}));
  });

  it('reads every variable', () => {
    expect(
      loadConfig({
        HOST: '::1',
        PORT: '0',
        CURSOR_KEY_FILE: '/run/secrets/cursor-key',
        ALLOWED_ORIGINS: 'https://portal.example, http://localhost:8080',
        TRUST_PROXY: '127.0.0.1, 10.0.0.0/8, fd00::/8',
        TLS_CERT_FILE: '/etc/tls/cert.pem',
        TLS_KEY_FILE: '/etc/tls/key.pem',
        HEADERS_TIMEOUT: '5',
        REQUEST_TIMEOUT: '300',
        KEEP_ALIVE_TIMEOUT: '20',
        RATE_LIMIT: '60',
        RATE_LIMIT_SERVICES: '0',
        RATE_LIMIT_ADDRESSES: '30',
        FAILED_LOG_INS: '5',
        RATE_LIMITS_SHARED: 'true',
        DATA_DIR: '/var/lib/tierline',
        ATTACHMENTS_DIR: '/srv/attachments',
        S3_BUCKET: 'tierline-attachments',
        S3_URL: 'https://s3.example:9000',
        S3_REGION: 'eu-central-1',
        S3_ACCESS_KEY_ID: 'AKID',
        S3_SECRET_ACCESS_KEY: 'se/cr+et',
        TIERLINE_EVENTSTORE_URL: 'esdb+discover://admin:changeit@a:2113,b:2113?tls=true',
        TIERLINE_MONGODB_URL: 'mongodb://a:27017,b:27017/tierline?replicaSet=rs0',
        EMBEDDED_EVENTSTOREDB_PORT: '0',
        EMBEDDED_MONGODB_PORT: '65535',
        PARTITIONS: '4',
        SEAL_EVERY_MINUTES: '15',
        SEALING_KEY_FILE: '/run/secrets/sealing-key',
        PERSONAL_KEY_FILE: '/run/secrets/personal-key',
        LOG_IN_KEY_FILE: '/run/secrets/log-in-key',
        SECOND_FACTOR_ROLES: 'administrator, lead',
        PASSKEY_ORIGINS: 'https://desk.example,https://eu.desk.example',
        WEBHOOK_KEY_FILE: '/run/secrets/webhook-key',
        WEBHOOK_NETWORKS: '10.0.0.0/8, fd00::/8',
        SMTP_URL: 'smtps://desk:s3cret@mail.example',
        MAIL_FROM: 'desk@example.com',
        CHAT_CHANNELS_FILE: '/run/secrets/channels.json',
        MAILBOX_URL: 'imaps://desk:s3cret@mail.example/Support',
        MAIL_SENDERS_FILE: '/etc/tierline/senders.json',
        TREE_HEADS_FILE: '/mnt/worm/heads',
        TREE_HEADS_GIT: '/srv/heads',
        WITNESS_URL: 'https://witness.example',
        WITNESS_KEY: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
        LOG_LEVEL: 'debug',
      }),
    ).toEqual({
      host: '::1',
      port: 0,
      cursorKeyFile: '/run/secrets/cursor-key',
      allowedOrigins: ['https://portal.example', 'http://localhost:8080'],
      trustProxy: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'],
      tls: { certFile: '/etc/tls/cert.pem', keyFile: '/etc/tls/key.pem' },
      timeouts: { headersMs: 5_000, requestMs: 300_000, keepAliveMs: 20_000 },
      rateLimits: { person: 60, service: 0, address: 30, failures: 5, shared: true },
      dataDir: '/var/lib/tierline',
      attachmentsDir: '/srv/attachments',
      reportsDir: '/var/lib/tierline/reports',
      s3: {
        bucket: 'tierline-attachments',
        endpoint: 'https://s3.example:9000',
        region: 'eu-central-1',
        credentials: { accessKeyId: 'AKID', secretAccessKey: 'se/cr+et' },
      },
      eventStoreUrl: 'esdb+discover://admin:changeit@a:2113,b:2113?tls=true',
      mongodbUrl: 'mongodb://a:27017,b:27017/tierline?replicaSet=rs0',
      embeddedEventStoreDBPort: 0,
      embeddedMongoDBPort: 65535,
      partitions: 4,
      personalKeyFile: '/run/secrets/personal-key',
      logIn: {
        keyFile: '/run/secrets/log-in-key',
        secondFactorRoles: ['administrator', 'lead'],
        passkeys: { rpId: 'desk.example', origins: ['https://desk.example', 'https://eu.desk.example'] },
      },
      webhooks: { keyFile: '/run/secrets/webhook-key', networks: ['10.0.0.0/8', 'fd00::/8'] },
      notifications: {
        mail: { url: 'smtps://desk:s3cret@mail.example', from: 'desk@example.com' },
        channelsFile: '/run/secrets/channels.json',
        mailbox: { url: 'imaps://desk:s3cret@mail.example/Support', sendersFile: '/etc/tierline/senders.json' },
      },
      sealing: {
        everyMinutes: 15,
        keyFile: '/run/secrets/sealing-key',
        headsFile: '/mnt/worm/heads',
        headsGit: '/srv/heads',
        witness: { url: 'https://witness.example', key: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW' },
      },
      logLevel: 'debug',
    });
  });

  it('takes the former names of the URLs where the present ones are unset', () => {
    const former = { EVENTSTORE_URL: 'esdb://old:2113', MONGODB_URL: 'mongodb://old' };
    expect(loadConfig(former)).toMatchObject({ eventStoreUrl: 'esdb://old:2113', mongodbUrl: 'mongodb://old' });
    const present = { TIERLINE_EVENTSTORE_URL: 'esdb://new:2113', TIERLINE_MONGODB_URL: 'mongodb://new' };
    expect(loadConfig({ ...former, ...present })).toMatchObject({ eventStoreUrl: 'esdb://new:2113', mongodbUrl: 'mongodb://new' });
  });

  it('expects passkeys at the page as it is served', () => {
    const tls = { TLS_CERT_FILE: '/etc/tls/cert.pem', TLS_KEY_FILE: '/etc/tls/key.pem' };
    expect(loadConfig({ PORT: '8443', ...tls }).logIn.passkeys).toEqual({ rpId: 'localhost', origins: ['https://localhost:8443'] });
  });

  it('names every fault at once', () => {
    const env = {
      HOST: '0.0.0.0',
      PORT: '70000',
      TRUST_PROXY: '10.0.0.0/33',
      RATE_LIMIT: '-1',
      RATE_LIMITS_SHARED: 'yes',
      TIERLINE_EVENTSTORE_URL: 'http://localhost:2113',
      // A fault is told of the variable that is set.
      MONGODB_URL: 'mongodb://',
      EMBEDDED_MONGODB_PORT: '1.5',
      PARTITIONS: '3',
      LOG_LEVEL: 'loud',
    };
    let error: unknown;
    try {
      loadConfig(env);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).faults.map(({ field }) => field).sort()).toEqual(Object.keys(env).sort());
    expect((error as ConfigError).message).toContain('PORT must be a port from 1 to 65535, or 0 for any free one, not "70000"');
  });

  it.each([
    ['TIERLINE_MONGODB_URL', 'mongo://ada:hunter2@db/tierline'],
    ['MONGODB_URL', 'mongodb:ada:hunter2'],
    ['TIERLINE_EVENTSTORE_URL', 'esdb//ada:hunter2@a:2113,b:2113'],
    ['EVENTSTORE_URL', 'http://db/?password=hunter2'],
    ['S3_URL', 's3://ada:hunter2@store'],
    ['S3_SECRET_ACCESS_KEY', 'hunter2 '.repeat(2)],
  ])('does not reveal the content of %s', (name, value) => {
    expect(() => loadConfig({ [name]: value })).toThrow(ConfigError);
    expect(() => loadConfig({ [name]: value })).not.toThrow(/hunter2|ada/);
  });

  it.each([
    [{ S3_URL: 'http://localhost:9000' }, ['S3_BUCKET']],
    [{ S3_BUCKET: 'No', S3_URL: 'localhost:9000' }, ['S3_BUCKET', 'S3_URL']],
    [{ S3_BUCKET: 'b-1', S3_ACCESS_KEY_ID: 'AKID' }, ['S3_SECRET_ACCESS_KEY']],
    [{ S3_BUCKET: 'b-1', S3_SECRET_ACCESS_KEY: 'a secret', S3_ACCESS_KEY_ID: 'AKID' }, ['S3_SECRET_ACCESS_KEY']],
  ])('refuses an incomplete bucket: %j', (env, fields) => {
    let error: unknown;
    try {
      loadConfig(env as Record<string, string>);
    } catch (thrown) {
      error = thrown;
    }
    expect((error as ConfigError).faults.map(({ field }) => field)).toEqual(fields);
    expect((error as ConfigError).message).not.toContain('a secret');
  });

  it.each(['0.0.0.0', '::', '192.168.1.2', '127.0.0.1.example.com', 'example.com'])(
    'listens at %s by TLS or behind a proxy alone',
    (host) => {
      expect(() => loadConfig({ HOST: host })).toThrow(
        /HOST must be a loopback address .* Set TLS_CERT_FILE and TLS_KEY_FILE, or TRUST_PROXY/,
      );
      expect(loadConfig({ HOST: host, TRUST_PROXY: '10.0.0.1' }).host).toBe(host);
      expect(loadConfig({ HOST: host, TLS_CERT_FILE: 'cert.pem', TLS_KEY_FILE: 'key.pem' }).host).toBe(host);
      expect(() => loadConfig({ HOST: host, TLS_CERT_FILE: 'cert.pem' })).toThrow(/TLS_KEY_FILE is required where there is TLS_CERT_FILE/);
    },
  );

  it.each(['1270.0.0.1', '127.0.0.256', '***', 'http://localhost', '127.1'])('does not listen at %s', (host) => {
    expect(() => loadConfig({ HOST: host, TRUST_PROXY: '10.0.0.1' })).toThrow(/HOST must be an address or name of this machine/);
  });

  it.each(['127.0.0.1', '127.255.0.9', '::1', 'localhost'])('listens at %s', (host) => {
    expect(loadConfig({ HOST: host }).host).toBe(host);
  });

  it('refuses one port for two servers, unless one of them is not started here', () => {
    expect(() => loadConfig({ PORT: '4000', EMBEDDED_MONGODB_PORT: '4000' })).toThrow(/EMBEDDED_MONGODB_PORT must differ from PORT/);
    expect(loadConfig({ PORT: '4000', EMBEDDED_MONGODB_PORT: '4000', MONGODB_URL: 'mongodb://localhost' }).port).toBe(4000);
  });
});
