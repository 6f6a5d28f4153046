/** Wait for work that ought to end, but no longer than `limitMs`: what hangs must not hold up an end. Never rejects. */
export async function atMost(limitMs: number, work: Promise<unknown>): Promise<void> {
  let giveUp: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    giveUp = setTimeout(resolve, limitMs);
  });
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(giveUp);
}
