/** `node --import` of this lets tests of a plugin from outside import `sekisho/plugin` and `sekisho/testing`. */
import { register } from 'node:module';
import { contractUrls } from './contract-urls.ts';

register(new URL('./contract-hooks.js', import.meta.url), { data: contractUrls() });
