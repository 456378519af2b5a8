import { JSONSchema } from 'class-validator-jsonschema';
import { Fields, Name, Pattern, Text } from '../command-fields.js';

@JSONSchema({
  description: 'Logs in with a single-use link, with an account id and password, or with a passkey. The response sets a session cookie.',
  examples: [{ link: `tierline_${'0'.repeat(20)}_${'0'.repeat(72)}` }],
})
export class LogIn {
  @Text({ description: 'Part of the login link after `#`', max: 200, optional: true })
  link?: string;

  @Name({ description: 'Id of the account', max: 100, optional: true })
  account?: string;

  @Text({ description: 'Password of the account', max: 200, optional: true })
  password?: string;

  @Text({ description: "Code from the account's authenticator, or a recovery code", max: 40, optional: true })
  code?: string;

  @Fields({ description: "Instead of all of these: the browser's passkey response (`PublicKeyCredential.toJSON()`)", optional: true })
  passkey?: object;
}

@JSONSchema({
  description: 'Sets the password of an account, with a login link or its current password, and logs in. Earlier sessions end.',
  examples: [{ link: `tierline_${'0'.repeat(20)}_${'0'.repeat(72)}`, newPassword: 'four words by chance' }],
})
export class SetPassword extends LogIn {
  @Text({ description: 'New password: at least 12 characters', max: 200 })
  newPassword!: string;
}

@JSONSchema({
  description:
    'Completes the enrolment of an authenticator with one of its codes. From then on login requires a code. The response has recovery codes, each usable once instead of a code; they cannot be read again.',
  examples: [{ enrolment: '0'.repeat(20), code: '123456' }],
})
export class ConfirmTotp {
  @Pattern(/^[0-9a-f]{20}$/, 'must be the enrolment that was started', { description: 'The enrolment, as returned when it was started' })
  enrolment!: string;

  @Text({ description: 'Code from the authenticator', max: 40 })
  code!: string;
}

@JSONSchema({
  description: 'Removes your authenticator: login no longer requires a code.',
  examples: [{ code: '123456' }],
})
export class GiveCode {
  @Text({ description: 'Code from the authenticator, or a recovery code', max: 40 })
  code!: string;
}

@JSONSchema({
  description: 'Adds a passkey to your account. From then on it is enough to log in, without password or code.',
  examples: [{ label: 'Laptop', response: { id: 'AQ', rawId: 'AQ', type: 'public-key', clientExtensionResults: {}, response: {} } }],
})
export class AddPasskey {
  @Name({ description: 'Name of the passkey', max: 100 })
  label!: string;

  @Fields({ description: "The browser's response when creating it (`PublicKeyCredential.toJSON()`)" })
  response!: object;
}
