export { type ChatChannel, chatChannels } from './chat-channels.js';
export { deliverReports, type DeliverReportsOptions, webhookReports } from './deliver-reports.js';
export { deliverNotifications, type DeliverNotificationsOptions } from './deliver-notifications.js';
