import ts from 'typescript';

/** A JSON Schema, as far as the data of events needs it. */
export type DataSchema = Readonly<Record<string, unknown>>;

const file = new URL('../libs/ticketing/src/feed/public-events.ts', import.meta.url).pathname;

/** The JSON Schema (2020-12) of what other services read of each type of event, from the types that the events are declared by. */
export function eventSchemas(): Readonly<Record<string, DataSchema>> {
  const root = new URL('..', import.meta.url).pathname;
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [file] }, ts.sys, root);
  const program = ts.createProgram([file], { ...options, incremental: false, tsBuildInfoFile: undefined });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const declared = source?.statements.find(
    (statement): statement is ts.TypeAliasDeclaration => ts.isTypeAliasDeclaration(statement) && statement.name.text === 'PublicEvents',
  );
  if (declared === undefined) throw new Error('there is no type PublicEvents');
  const types = checker.getTypeAtLocation(declared.name).getProperties();
  return Object.fromEntries(types.map((type) => [type.name, schemaOf(checker.getTypeOfSymbol(type), checker, declared)]));
}

function schemaOf(type: ts.Type, checker: ts.TypeChecker, at: ts.Node): DataSchema {
  if (type.aliasSymbol?.name === 'Instant') return { type: 'string', format: 'date-time' };
  if (type.isUnion()) return unionOf(type, checker, at);
  if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
  if (type.flags & ts.TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === 'true' };
  if (type.flags & ts.TypeFlags.String) return { type: 'string' };
  if (type.flags & ts.TypeFlags.Number) return { type: 'number' };
  if (type.flags & ts.TypeFlags.Boolean) return { type: 'boolean' };
  if (type.flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) return {};
  // A branded string.
  if (type.isIntersection() && type.types.some(({ flags }) => flags & ts.TypeFlags.String)) return { type: 'string', format: 'date-time' };
  if (checker.isArrayType(type) || checker.isTupleType(type)) {
    const [item] = checker.getTypeArguments(type as ts.TypeReference);
    return { type: 'array', items: item === undefined ? {} : schemaOf(item, checker, at) };
  }
  const values = checker.getIndexInfoOfType(type, ts.IndexKind.String)?.type;
  const properties = checker.getPropertiesOfType(type);
  if (values !== undefined && properties.length === 0) return { type: 'object', additionalProperties: schemaOf(values, checker, at) };
  // Sorted: the order of properties depends on what else the compiler has read.
  const required = properties.flatMap(({ flags, name }) => (flags & ts.SymbolFlags.Optional ? [] : [name])).sort();
  return {
    type: 'object',
    properties: Object.fromEntries(
      properties.map((property) => {
        const description = ts.displayPartsToString(property.getDocumentationComment(checker));
        const schema = schemaOf(checker.getTypeOfSymbol(property), checker, at);
        return [property.name, description === '' ? schema : { description, ...schema }];
      }),
    ),
    ...(required.length === 0 ? {} : { required }),
  };
}

function unionOf(type: ts.UnionType, checker: ts.TypeChecker, at: ts.Node): DataSchema {
  const members = type.types.filter(({ flags }) => !(flags & ts.TypeFlags.Undefined));
  const schemas = members.map((member) => schemaOf(member, checker, at));
  const [only] = schemas;
  if (only !== undefined && schemas.length === 1) return only;
  if (members.every(({ flags }) => flags & ts.TypeFlags.BooleanLiteral)) return { type: 'boolean' };
  if (schemas.every((schema) => 'const' in schema)) return { enum: schemas.map((schema) => schema['const']) };
  return { anyOf: schemas };
}
