import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Text } from '../command-fields.js';

@JSONSchema({
  description:
    'Logs in: with a link, which works no more then, or with the id of an account and its password. The answer sets the cookie of a session.',
  examples: [{ link: `tierline_${'0'.repeat(20)}_${'0'.repeat(72)}` }],
})
export class LogIn {
  @Text({ description: 'What follows `#` in a link to log in', max: 200, optional: true })
  link?: string;

  @Name({ description: 'Id of an account', max: 100, optional: true })
  account?: string;

  @Text({ description: 'Its password', max: 200, optional: true })
  password?: string;
}

@JSONSchema({
  description:
    'Sets the password of an account, with a link that was made for it or with the password that it has, and logs in. Sessions that were begun before end.',
  examples: [{ link: `tierline_${'0'.repeat(20)}_${'0'.repeat(72)}`, newPassword: 'four words by chance' }],
})
export class SetPassword extends LogIn {
  @Text({ description: 'The password from now on: 12 characters or more', max: 200 })
  newPassword!: string;
}
