import { fleetBench } from './fleet.ts';

await fleetBench(process.argv.slice(2));
