export { MAIL_LIMIT, type MailParts, type Receiving, takeMail, type TakenMail } from './take-mail.js';
