export function manPage(version: string, date: Date): Promise<string>;
