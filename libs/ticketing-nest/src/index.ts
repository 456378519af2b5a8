export * from './ticketing.module.js';
