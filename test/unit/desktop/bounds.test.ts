import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitInto, placeAbove, readBounds } from '../../../main/desktop/bounds.ts';

const screen = { x: 0, y: 30, width: 1440, height: 870 };

describe('when a window is placed', () => {
  it('comes back where it was', () => {
    const bounds = { x: 100, y: 100, width: 1080, height: 700 };
    expect(fitInto(screen, bounds)).toEqual(bounds);
  });

  it('lies inside the screen wholly, wherever it was and however large', () => {
    const any = fc.integer({ min: -5000, max: 5000 });
    const size = fc.integer({ min: 1, max: 5000 });
    fc.assert(
      fc.property(any, any, size, size, (x, y, width, height) => {
        const fitted = fitInto(screen, { x, y, width, height });
        expect(fitted.x).toBeGreaterThanOrEqual(screen.x);
        expect(fitted.y).toBeGreaterThanOrEqual(screen.y);
        expect(fitted.x + fitted.width).toBeLessThanOrEqual(screen.x + screen.width);
        expect(fitted.y + fitted.height).toBeLessThanOrEqual(screen.y + screen.height);
      }),
    );
  });

  it('appears centred and above the middle', () => {
    expect(placeAbove(screen, { width: 480, height: 640 })).toEqual({ x: 480, y: 107, width: 480, height: 640 });
  });

  it.each([
    undefined,
    null,
    'x',
    7,
    {},
    { x: 1, y: 2, width: 3 },
    { x: 1, y: 2, width: 3, height: Number.NaN },
    { x: 1e9, y: 0, width: 1, height: 1 },
  ])('forgets odd memories: %j', (saved) => {
    expect(readBounds(saved)).toBeUndefined();
  });
});
