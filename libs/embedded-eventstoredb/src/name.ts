/** The name of this node in errors. */
export const NODE = 'EventStoreDB';
