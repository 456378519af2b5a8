type OpenApi = typeof import('./openapi.js');

const waiting: ((openapi: OpenApi) => void)[] = [];

/**
 * The OpenAPI documentation of a route or controller. Evaluated when the document is first requested: loading the library would be a third
 * of the API's start.
 */
export function documented<Decorator extends ClassDecorator | MethodDecorator>(documentation: (openapi: OpenApi) => Decorator): Decorator {
  const decorate = (...target: Parameters<MethodDecorator>): void => {
    waiting.push((openapi) => void (documentation(openapi) as MethodDecorator)(...target));
  };
  return decorate as Decorator;
}

/** The module that makes the OpenAPI document, once all routes are documented. */
export async function loadOpenApi(): Promise<OpenApi> {
  const openapi = await import('./openapi.js');
  for (const document of waiting.splice(0)) document(openapi);
  return openapi;
}
