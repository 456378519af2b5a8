/** What errors call this node. */
export const NODE = 'EventStoreDB';
