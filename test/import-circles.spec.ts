import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

/**
 * No circle of imports, neither of files nor of folders, in the sources of any lib or app. Type imports count: what is only understood
 * together belongs together. Folders are those right under `src`; a file right under it stands for itself.
 */

const root = resolve(import.meta.dirname, '..');

const sources = ['apps', 'libs'].flatMap((group) =>
  readdirSync(join(root, group))
    .map((name) => `${group}/${name}/src`)
    .filter((source) => existsSync(join(root, source))),
);

function filesIn(source: string): readonly string[] {
  return readdirSync(join(root, source), { recursive: true, encoding: 'utf8' })
    .map((file) => join(source, file))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.includes('/testing/'));
}

const files = new Set(sources.flatMap(filesIn));

function importsOf(file: string): readonly string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'), true, true);
  return importedFiles
    .map(({ fileName }) =>
      fileName.startsWith('#')
        ? `libs/${fileName.slice(1)}/src/index.ts`
        : relative(root, resolve(root, dirname(file), fileName)).replace(/\.js$/, '.ts'),
    )
    .filter((imported) => files.has(imported));
}

type Graph = ReadonlyMap<string, ReadonlySet<string>>;

const imports: Graph = new Map([...files].map((file) => [file, new Set(importsOf(file))]));

/** Groups of nodes each of which leads to all others of its group (Tarjan's strongly connected components), and nodes that lead to themselves. */
function circlesOf(graph: Graph): readonly (readonly string[])[] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const path: string[] = [];
  const circles: string[][] = [];
  const visit = (node: string): number => {
    const index = order.size;
    order.set(node, index);
    lowest.set(node, index);
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const reached = order.has(next) ? (path.includes(next) ? (order.get(next) ?? index) : index) : visit(next);
      lowest.set(node, Math.min(lowest.get(node) ?? index, reached));
    }
    if (lowest.get(node) === index) {
      const circle = path.splice(path.indexOf(node)).sort();
      if (circle.length > 1 || graph.get(node)?.has(node)) circles.push(circle);
    }
    return lowest.get(node) ?? index;
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return circles;
}

/** Folders of a source as a graph, without its barrel. */
function foldersOf(source: string): Graph {
  const folderOf = (file: string) => relative(source, file).split('/')[0] ?? '';
  const graph = new Map<string, Set<string>>();
  for (const [file, imported] of imports) {
    if (!file.startsWith(`${source}/`) || file === `${source}/index.ts`) continue;
    const folder = folderOf(file);
    const leadsTo = graph.get(folder) ?? new Set();
    for (const one of imported) if (one.startsWith(`${source}/`) && folderOf(one) !== folder) leadsTo.add(folderOf(one));
    graph.set(folder, leadsTo);
  }
  return graph;
}

describe('imports', () => {
  it('are read', () => {
    expect(imports.get('libs/ticketing/src/index.ts')?.size).toBeGreaterThan(5);
    expect(imports.get('libs/mongo/src/index.ts')?.size).toBeGreaterThan(0);
    expect([...imports.values()].some((imported) => imported.has('libs/eventsourcing/src/index.ts'))).toBe(true);
  });

  it('that make a circle are found', () => {
    const graph = { a: ['b', 'd'], b: ['c'], c: ['a'], d: ['e'], e: [], f: ['f'] };
    expect(circlesOf(new Map(Object.entries(graph).map(([node, next]) => [node, new Set(next)])))).toEqual([['a', 'b', 'c'], ['f']]);
  });

  it.each(sources)('of %s make no circle', (source) => {
    const ofFiles = circlesOf(imports).filter((circle) => circle.some((file) => file.startsWith(`${source}/`)));
    const circles = [...ofFiles, ...circlesOf(foldersOf(source))];
    expect(circles).toEqual([]);
  });
});
