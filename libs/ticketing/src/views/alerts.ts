import type { StateFace } from '#eventsourcing';
import { alertSchema, type AlertState } from '../alerts/alert.js';
import { alertSourceSchema, type AlertSourceState } from '../alerts/alert-source.js';
import { maintenanceSchema, type MaintenanceState } from '../alerts/maintenance.js';
import { documentSchema } from './stored.js';

/** One document per alert, by its id. */
export const alerts: StateFace<AlertState> = {
  name: 'alerts',
  version: 1,
  schema: () => documentSchema(alertSchema, 'Id of the alert'),
  document: (state) => state,
  indexes: [{ key: { client: 1, _id: 1 } }, { key: { client: 1, firing: 1 } }, { key: { ticketId: 1 } }],
};

/** One document per source of alerts, by its name. */
export const alertSources: StateFace<AlertSourceState> = {
  name: 'alert_sources',
  version: 1,
  schema: () => documentSchema(alertSourceSchema, 'Name of the source'),
  document: (state) => state,
  indexes: [],
};

/** One document per client with maintenance windows, by its name. */
export const maintenances: StateFace<MaintenanceState> = {
  name: 'maintenance',
  version: 1,
  schema: () => documentSchema(maintenanceSchema, 'Name of the client'),
  document: (state) => state,
  indexes: [],
};
