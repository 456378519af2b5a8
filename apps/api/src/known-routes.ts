/** The routes of the application, for keys that are limited to some. */
export class KnownRoutes {
  readonly #templates: (readonly [method: string, segments: readonly string[]])[] = [];

  /** @param url with parameters, such as `/v1/tickets/:id` */
  add(method: string | readonly string[], url: string): void {
    for (const one of [method].flat()) this.#templates.push([one, url.split('/')]);
  }

  /** Whether something is at or below a route of a key, such as `GET /v1/tickets` or `GET /v1/tickets/<id>`. */
  hasAtOrBelow(route: string): boolean {
    const [verb, path = ''] = route.split(' ', 2);
    const segments = path.split('/');
    return this.#templates.some(
      ([method, template]) =>
        method === verb &&
        (template.length >= segments.length || template.at(-1) === '*') &&
        segments.every((segment, index) => fits(segment, template[index] ?? '*')),
    );
  }
}

function fits(segment: string, template: string): boolean {
  return template === '*' || (template.startsWith(':') ? segment !== '' : segment === template);
}
