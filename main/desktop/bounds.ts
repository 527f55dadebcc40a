export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Reads bounds a former start wrote; anything odd is forgotten. Pixels, independent of scale. */
export function readBounds(saved: unknown): Rectangle | undefined {
  if (typeof saved !== 'object' || saved === null) return undefined;
  const { x, y, width, height } = saved as Partial<Record<string, unknown>>;
  const whole = (value: unknown): value is number => Number.isInteger(value) && Math.abs(Number(value)) < 100_000;
  return whole(x) && whole(y) && whole(width) && whole(height) ? { x, y, width, height } : undefined;
}

/** The rectangle moved and shrunk until all of it lies inside the area: a screen may have gone, or become smaller. */
export function fitInto(area: Rectangle, wanted: Rectangle): Rectangle {
  const width = Math.min(wanted.width, area.width);
  const height = Math.min(wanted.height, area.height);
  return {
    x: clamp(wanted.x, area.x, area.x + area.width - width),
    y: clamp(wanted.y, area.y, area.y + area.height - height),
    width,
    height,
  };
}

/** Centred, a little above the middle: where a person looks first. */
export function placeAbove(area: Rectangle, size: { width: number; height: number }): Rectangle {
  return fitInto(area, {
    x: Math.round(area.x + (area.width - size.width) / 2),
    y: Math.round(area.y + (area.height - size.height) / 3),
    ...size,
  });
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), Math.max(low, high));
}
