import type { Page } from 'playwright-core';

/**
 * How much a colour of the first such element differs from what it lies on, as WCAG counts: 1 is no difference, 21
 * black on white. What a text lies on is its own element; a border or a background lies on what is around the element.
 */
export function contrast(
  page: Page,
  selector: string,
  property: 'color' | 'backgroundColor' | 'borderTopColor',
): Promise<number> {
  return page.locator(selector).first().evaluate(MEASURE, property);
}

/** Runs in the page: the browser turns every notation of a colour into bytes on a canvas. */
const MEASURE = (element: any, property: string): number => {
  const { document, getComputedStyle } = element.ownerDocument.defaultView;
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const bytes = (colour: string): number[] => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour: string): number => {
    const [red = 0, green = 0, blue = 0] = bytes(colour)
      .map((byte) => byte / 255)
      .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  let ground = property === 'color' ? element : element.parentElement;
  while (ground.parentElement && bytes(getComputedStyle(ground).backgroundColor)[3] === 0)
    ground = ground.parentElement;
  const [dark = 0, light = 0] = [
    luminance(getComputedStyle(element)[property]),
    luminance(getComputedStyle(ground).backgroundColor),
  ].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
