type OpenApi = typeof import('./openapi.js');

const waiting: ((openapi: OpenApi) => void)[] = [];

/**
 * What a route or a controller says of itself in the OpenAPI document. It is evaluated when somebody first asks for the document: loading what
 * makes it would be a third of the API's start.
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
