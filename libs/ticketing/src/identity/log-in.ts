import { JSONSchema } from 'class-validator-jsonschema';
import { Text } from '../command-fields.js';

@JSONSchema({
  description: 'Logs in: the link is used, and works no more. The answer sets the cookie of a session.',
  examples: [{ link: `tierline_${'0'.repeat(20)}_${'0'.repeat(72)}` }],
})
export class LogIn {
  @Text({ description: 'What follows `#` in a link to log in', max: 200 })
  link!: string;
}
