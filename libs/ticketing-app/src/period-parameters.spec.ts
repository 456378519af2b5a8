import { readParameters, text } from '#platform';
import { periodBegin, periodEnd, zoneOfDates } from './period-parameters.js';

const declared = { from: periodBegin('Begin'), to: periodEnd('End'), zone: zoneOfDates };
const read = (query: object) => readParameters(declared, query);
const faulty = (query: object) => read(query).faults.map(({ field, message }) => `${field} ${message.split(',')[0]}`);

describe('periods', () => {
  it('begin and end with the first moment of a date, in the zone of the query', () => {
    expect(read({ from: '2026-11-01', to: '2026-12-01' })).toEqual({
      values: { from: '2026-11-01T00:00:00.000Z', to: '2026-12-01T00:00:00.000Z' },
      faults: [],
    });
    const inBerlin = { from: '2026-10-01T00:00:00-03:00', to: '2026-11-01', zone: 'Europe/Berlin' };
    expect(read(inBerlin).values).toEqual({ from: '2026-10-01T03:00:00.000Z', to: '2026-10-31T23:00:00.000Z' });
    // Midnight was left out there on the day on which summer time began.
    expect(read({ from: '2017-10-15', zone: 'America/Sao_Paulo' }).values).toEqual({ from: '2017-10-15T03:00:00.000Z' });
  });

  it('are read in the zone whatever that is called, and a zone that is not one of dates is a value like others', () => {
    const query = { since: '2026-11-01', of: 'Europe/Berlin', zone: 'north' };
    const { values } = readParameters({ since: periodBegin('Begin'), of: zoneOfDates, zone: text('Of the town') }, query);
    expect(values).toEqual({ since: '2026-10-31T23:00:00.000Z', zone: 'north' });
  });

  it('are refused if they end before they begin', () => {
    expect(faulty({ from: '2026-11-02', to: '2026-11-01' })).toEqual(['from must not be after to']);
    expect(faulty({ from: '2026-11-01T00:00:01Z', to: '2026-11-01' })).toEqual(['from must not be after to']);
    expect(faulty({ from: '2026-11-01', to: '2026-11-01T00:00:00Z' })).toEqual([]);
    expect(faulty({ from: '2026-11-01T00:00:00Z', to: '2026-11-01', zone: 'Europe/Berlin' })).toEqual(['from must not be after to']);
  });

  it.each([
    [{ from: '2026-02-30' }, 'from must be a date'],
    [{ to: '2026-11' }, 'to must be a date'],
    [{ to: '2026-11-01T10:00:00' }, 'to must be a date'],
    [{ from: '0000-01-01', zone: 'Asia/Tokyo' }, 'from must be a date'],
    [{ from: '2026-11-01', zone: '+01:00' }, 'zone must be an IANA time zone'],
  ])('refuse %j', (query, fault) => {
    expect(faulty(query)).toEqual([fault]);
  });
});
