import { JSONSchema } from 'class-validator-jsonschema';
import { Fields, Name, Pattern, Text } from '../command-fields.js';

@JSONSchema({
  description:
    'Logs in: with a link, which works no more then, or with the id of an account and its password, or with a passkey. The answer sets the cookie of a session.',
  examples: [{ link: `tierline_${'0'.repeat(20)}_${'0'.repeat(72)}` }],
})
export class LogIn {
  @Text({ description: 'What follows `#` in a link to log in', max: 200, optional: true })
  link?: string;

  @Name({ description: 'Id of an account', max: 100, optional: true })
  account?: string;

  @Text({ description: 'Its password', max: 200, optional: true })
  password?: string;

  @Text({ description: 'A code of the authenticator that is enrolled for the account, or a recovery code', max: 40, optional: true })
  code?: string;

  @Fields({ description: 'In place of all that: what the browser answers of a passkey (`PublicKeyCredential.toJSON()`)', optional: true })
  passkey?: object;
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

@JSONSchema({
  description:
    'Enrols the authenticator that was begun with, once it is seen to make the right codes. From then on logging in takes one. The answer has recovery codes, each of which works once in place of a code; nobody can read them again.',
  examples: [{ enrolment: '0'.repeat(20), code: '123456' }],
})
export class ConfirmTotp {
  @Pattern(/^[0-9a-f]{20}$/, 'must be the enrolment that was begun', { description: 'Which enrolment, as it was begun' })
  enrolment!: string;

  @Text({ description: 'A code of the authenticator', max: 40 })
  code!: string;
}

@JSONSchema({
  description: 'Removes one’s authenticator: logging in takes no code from then on.',
  examples: [{ code: '123456' }],
})
export class GiveCode {
  @Text({ description: 'A code of the authenticator, or a recovery code', max: 40 })
  code!: string;
}

@JSONSchema({
  description: 'Adds a passkey to one’s account. It logs in by itself from then on, without a password or a code.',
  examples: [{ label: 'Laptop', response: { id: 'AQ', rawId: 'AQ', type: 'public-key', clientExtensionResults: {}, response: {} } }],
})
export class AddPasskey {
  @Name({ description: 'What to call it', max: 100 })
  label!: string;

  @Fields({ description: 'What the browser answers that has made it (`PublicKeyCredential.toJSON()`)' })
  response!: object;
}
