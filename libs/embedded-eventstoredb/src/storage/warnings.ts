/** Reports something to the operator of the node in one line; nothing else depends on it. */
export const warn = (text: string): void => process.emitWarning(text, 'EmbeddedEventStoreDB');
