/**
 * Module resolution for plugins from outside; Node.js runs this in a thread of its own (`module.register`). See third-party.ts.
 */
import type { ResolveHook } from 'node:module';
import type { ContractUrls } from './contract-urls.ts';

let urls: ContractUrls = {};

export function initialize(given: ContractUrls): void {
  urls = given;
}

export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  const own = urls[specifier];
  if (own !== undefined) return { url: own, shortCircuit: true };
  const resolved = await nextResolve(specifier, context);
  const code = /\?code=[0-9a-f]+$/.exec(context.parentURL ?? '')?.[0];
  const isPart = code !== undefined && /^\.{1,2}\//.test(specifier) && resolved.url.startsWith('file:');
  return isPart && !resolved.url.includes('?') ? { ...resolved, url: resolved.url + code } : resolved;
};
