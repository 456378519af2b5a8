import type { PipeTransform } from '@nestjs/common';
import { type Parameters, type QueryOf, readParameters } from '#platform';
import { Problem } from './problem.js';

/**
 * Reads a query by its declaration. Unknown parameters are refused, so that a misspelt one is not silently ignored; so are repeated ones.
 */
export class QueryParameters<Declared extends Parameters> implements PipeTransform<unknown, QueryOf<Declared>> {
  constructor(readonly declared: Declared) {}

  /** @throws Problem invalid-query */
  transform(query: unknown): QueryOf<Declared> {
    const { values, faults } = readParameters(this.declared, query);
    if (faults.length > 0) throw Problem.of('invalid-query', 'The query breaks the rules of its parameters', { faults });
    return values;
  }
}
