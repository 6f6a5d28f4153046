/** Work that comes back, by the system's timers or, in a test, as its clock is turned (ManualClock). */
export interface Timers {
  /** `work` runs each `ms` from now on, until what is returned is called. It keeps no process alive. */
  every(ms: number, work: () => void): () => void;
}

export const systemTimers: Timers = {
  every: (ms, work) => {
    const timer = setInterval(work, ms).unref();
    return () => clearInterval(timer);
  },
};
