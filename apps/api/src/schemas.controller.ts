import { Controller, Get, Header, Param } from '@nestjs/common';
import { Problem } from '#http';
import { cloudEventType, publicEventSchemas, publicEventType, publicEventTypes, schemaUri, SCHEMAS_PATH } from '#ticketing';
import { documented } from './documented.js';

const pathOf = (name: string) => `${SCHEMAS_PATH}/${name}.json`;

/** JSON Schemas of the public data of each type of event. */
@documented((openapi) => openapi.ApiExcludeController())
@Controller('schemas')
export class SchemasController {
  @Get()
  list(): object {
    return { items: publicEventTypes.map((event) => ({ type: cloudEventType(event), event, schema: pathOf(cloudEventType(event)) })) };
  }

  @Get(':file')
  @Header('Content-Type', 'application/schema+json')
  @Header('Cache-Control', 'max-age=3600')
  schema(@Param('file') file: string): object {
    const name = file.replace(/\.json$/, '');
    const event = publicEventType(name);
    if (event === undefined || cloudEventType(event) !== name) throw Problem.of('not-found', 'There is nothing at this URL');
    const $schema = 'https://json-schema.org/draft/2020-12/schema';
    return { $schema, $id: schemaUri(name), title: name, ...publicEventSchemas[event] };
  }
}
