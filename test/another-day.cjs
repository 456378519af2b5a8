/**
 * Moves the clock of whatever loads it by TEST_DAYS_AHEAD days (365.25 by default; back if negative), so that a test that depends on the
 * day fails. Loaded into every process and thread (`--require`), whose Date is that of the specs, too: see jest.another-day.config.js and
 * test/environment.js. Monotonic clocks stay as they are.
 */
process.env.TEST_DAYS_AHEAD ??= '365.25';
const aheadMs = Math.round(Number(process.env.TEST_DAYS_AHEAD) * 86_400_000);
if (!Number.isFinite(aheadMs)) throw new Error('TEST_DAYS_AHEAD must be a number of days');

const RealDate = globalThis.Date;
const realNow = RealDate.now;
RealDate.now = () => realNow() + aheadMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, newTarget) =>
    Reflect.construct(target, given.length === 0 ? [RealDate.now()] : given, newTarget === globalThis.Date ? target : newTarget),
  apply: () => new RealDate(RealDate.now()).toString(),
});
// `value.constructor === Date` holds, as it does on any other day.
RealDate.prototype.constructor = globalThis.Date;
