/** Where the public modules of this process lie: what `sekisho/plugin` and its like lead to. */
export interface ContractUrls {
  readonly [specifier: string]: string;
}

/** Works from dist/ alone. */
export function contractUrls(): ContractUrls {
  const url = (path: string) => new URL(path, import.meta.url).href;
  return {
    'sekisho/plugin': url('../contract/plugin.js'),
    'sekisho/plugin/store': url('../contract/store.js'),
    'sekisho/plugin/admin': url('../contract/admin.js'),
    'sekisho/plugin/commands': url('../contract/commands.js'),
    'sekisho/testing': url('../testing/testing.js'),
  };
}
