import { describe, expect, it } from 'vitest';
import { Publications } from './publications.ts';

describe('a publication', () => {
  it('is held by everybody once `publish` resolves, and by those who come later from the start', async () => {
    const publications = new Publications();
    const held: unknown[] = [];
    let release = () => {};
    publications.addReader(
      ({ value }) =>
        new Promise<void>((resolve) => {
          release = () => {
            held.push(value);
            resolve();
          };
        }),
    );
    let done = false;
    const published = publications.publish('topic', 1).then(() => {
      done = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    release();
    await published;
    expect(held).toEqual([1]);
    expect(publications.latest()).toEqual([{ topic: 'topic', serial: 1, value: 1 }]);
  });

  it('replaces the one before it, each topic on its own', async () => {
    const publications = new Publications();
    await publications.publish('one', 1);
    await publications.publish('other', 2);
    await publications.publish('one', 3);
    expect(publications.latest().map(({ topic, value }) => [topic, value])).toEqual([
      ['one', 3],
      ['other', 2],
    ]);
  });

  it('that a reader cannot take is told to whoever publishes, and reaches the others', async () => {
    const publications = new Publications();
    const held: unknown[] = [];
    publications.addReader(() => Promise.reject(new Error('no room')));
    const leave = publications.addReader(async ({ value }) => void held.push(value));
    await expect(publications.publish('topic', 1)).rejects.toThrow('no room');
    leave();
    await expect(publications.publish('topic', 2)).rejects.toThrow('no room');
    expect(held).toEqual([1]);
  });
});
