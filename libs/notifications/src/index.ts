export { type ChatChannel, chatChannels } from './chat-channels.js';
export { deliverNotifications, type DeliverNotificationsOptions } from './deliver-notifications.js';
