import { createLog } from '#platform';
import { CannotStart } from './cannot-start.js';
import { connectStores, withoutSecrets } from './connect-stores.js';

describe('withoutSecrets', () => {
  it.each([
    ['mongodb://ada:hunter2@db:27017/tierline', 'cannot reach db:27017 as ada:hunter2', 'cannot reach db:27017 as …'],
    ['mongodb://ada:p%40ss%3Aword@db/tierline', 'the password p@ss:word is wrong', 'the password … is wrong'],
    ['esdb://ada:with/and@signs@a:2113', "unexpected '/' in esdb://ada:with/and@signs@a:2113", "unexpected '/' in …"],
    ['mongodb://db/?tlsCertificateKeyFilePassword=hunter2', 'hunter2 opens nothing', '… opens nothing'],
    ['mongodb://db:27017', 'connect ECONNREFUSED db:27017', 'connect ECONNREFUSED db:27017'],
  ])('%s', (url, message, shown) => {
    expect(withoutSecrets(message, url)).toBe(shown);
  });
});

describe('connectStores', () => {
  const log = createLog('silent');

  it.each([
    ['esdb://ada:hunter2@[', 'mongodb://127.0.0.1:1/tierline'],
    ['esdb://ada:hunter2@127.0.0.1:x?tls=false', 'mongodb://127.0.0.1:1/tierline'],
  ])('does not reveal the password in %s', async (eventStoreUrl, mongodbUrl) => {
    const failure = await connectStores({ eventStoreUrl, mongodbUrl, personalKeyFile: 'none' }, log).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(CannotStart);
    expect(String(failure)).not.toMatch(/hunter2/);
  });
});
