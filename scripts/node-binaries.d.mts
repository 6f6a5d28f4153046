export const NODE_LINES: readonly string[];
export function nodeBinaries(): Map<string, string> | string;
