export { MAIL_LIMIT, type MailParts, type Receiving, takeMail, type TakenMail } from './take-mail.js';
export { mailSenders } from './mail-senders.js';
export { pollMailbox, type PollMailboxOptions } from './poll-mailbox.js';
