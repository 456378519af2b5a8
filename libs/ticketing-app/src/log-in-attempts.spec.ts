import { LogInAttempts } from './log-in-attempts.js';

describe('attempts to log in', () => {
  it('are slowed down, and never locked out', () => {
    const attempts = new LogInAttempts();
    let now = 0;
    for (let time = 0; time < 5; time++) expect(attempts.begin('ada', now)).toBe(0);
    const waits: number[] = [];
    for (let time = 0; time < 9; time++) {
      const wait = attempts.begin('ada', now);
      waits.push(wait);
      // An attempt before that is not looked at, and costs nothing more.
      expect(attempts.begin('ada', now + wait * 1_000 - 1)).toBe(1);
      now += wait * 1_000;
      expect(attempts.begin('ada', now)).toBe(0);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(attempts.begin('bob', now)).toBe(0);
    attempts.succeeded('ada');
    expect(attempts.begin('ada', now)).toBe(0);
  });

  it('are remembered for a limited number of accounts', () => {
    const attempts = new LogInAttempts();
    for (let time = 0; time < 5; time++) attempts.begin('first', 0);
    for (let index = 0; index < 10_000; index++) attempts.begin(`other ${index}`, 0);
    expect(attempts.begin('first', 0)).toBe(0);
  });
});
