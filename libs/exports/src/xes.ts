import type { Batches, Column, DataSet, Row } from './data-set.js';

const EXTENSIONS = [
  ['Concept', 'concept', 'http://www.xes-standard.org/concept.xesext'],
  ['Time', 'time', 'http://www.xes-standard.org/time.xesext'],
  ['Organizational', 'org', 'http://www.xes-standard.org/org.xesext'],
  ['Lifecycle', 'lifecycle', 'http://www.xes-standard.org/lifecycle.xesext'],
  ['Identity', 'identity', 'http://www.xes-standard.org/identity.xesext'],
] as const;

const TAGS = { text: 'string', instant: 'date', integer: 'int', flag: 'boolean', json: 'string' } as const;

/** An event log in IEEE 1849 (XES): one trace per case, with its events in order. A comment describes the attributes. */
export async function* asXes({ says, columns, log }: DataSet, batches: Batches): AsyncGenerator<string> {
  if (log === undefined) throw new Error('only events can be written as XES');
  const key = ({ name }: Column) => log.keys[name] ?? name;
  const ofTrace = columns.filter(({ name }) => name === log.case || log.ofCase.includes(name));
  const ofEvent = columns.filter((column) => !ofTrace.includes(column));
  const described = columns.map((column) => `  ${key(column)}: ${column.says}`).join('\n');
  yield (
    '<?xml version="1.0" encoding="UTF-8"?>\n<log xes.version="1849.2016" xes.features="">\n' +
    `<!-- ${`${says}\n${described}`.replaceAll('--', '- -')}\n-->\n` +
    EXTENSIONS.map(([name, prefix, uri]) => `<extension name="${name}" prefix="${prefix}" uri="${uri}"/>\n`).join('')
  );
  let currentCase: unknown;
  for await (const rows of batches) {
    let text = '';
    for (const row of rows) {
      if (row[log.case] !== currentCase) {
        if (currentCase !== undefined) text += '</trace>\n';
        currentCase = row[log.case];
        text += `<trace>\n${ofTrace.map((column) => attribute(column, key(column), row)).join('')}`;
      }
      text += `<event>${ofEvent.map((column) => attribute(column, key(column), row)).join('')}<string key="lifecycle:transition" value="complete"/></event>\n`;
    }
    yield text;
  }
  yield `${currentCase === undefined ? '' : '</trace>\n'}</log>\n`;
}

function attribute({ name, type }: Column, key: string, row: Row): string {
  const value = row[name];
  if (value === undefined || value === null) return '';
  const text = value instanceof Date ? value.toISOString() : type === 'json' ? JSON.stringify(value) : String(value as string | number);
  return `<${key === 'identity:id' ? 'id' : TAGS[type]} key="${escaped(key)}" value="${escaped(text)}"/>`;
}

/** Characters that XML cannot represent at all, such as most control characters, are written as U+FFFD. */
const FOREIGN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;
const SIGNS: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

function escaped(text: string): string {
  return text.replace(FOREIGN, '\uFFFD').replace(/[&<>"\t\n\r]/g, (sign) => SIGNS[sign] ?? sign);
}
