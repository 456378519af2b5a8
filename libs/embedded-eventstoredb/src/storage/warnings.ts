/** Says in one line what whoever runs the node should know; nothing else depends on it. */
export const warn = (text: string): void => process.emitWarning(text, 'EmbeddedEventStoreDB');
