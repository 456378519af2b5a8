import { accounts, webhooks } from '#ticketing';

interface KeyFile {
  readonly keyFile: string;
}

/** Keys for deriving secrets that are not stored, and the view of their owners. */
export const logInKey = ({ logIn: { keyFile: file } }: { readonly logIn: KeyFile }) => ({
  file,
  variable: 'LOG_IN_KEY_FILE',
  owners: { noun: 'authenticators', view: accounts.name, where: { totpEnrolledAt: { $exists: true } } },
});

export const webhookKey = ({ webhooks: { keyFile: file } }: { readonly webhooks: KeyFile }) => ({
  file,
  variable: 'WEBHOOK_KEY_FILE',
  owners: { noun: 'webhooks', view: webhooks.name, where: {} },
});
