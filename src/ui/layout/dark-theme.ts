/**
 * Tabler's dark colours, for readers whose system asks for them. Tabler itself switches by an attribute of the page,
 * which takes a script, and shows a white page first to those who have none.
 * @param css Tabler's style sheet, minified: the rules looked for stand outside of any other
 */
export function darkTheme(css: string): string {
  const rules = [...css.matchAll(/(?<=^|\})([^{}]*\[data-bs-theme=dark\][^{}]*)\{([^{}]*)\}/g)];
  const dark = rules.flatMap(([, selectors = '', declarations = '']) => {
    const own = selectors.split(',').filter((selector) => /^\[data-bs-theme=dark\](?: |$)/.test(selector));
    if (own.length === 0) return [];
    return `${own.join(',').replaceAll('[data-bs-theme=dark]', ':root')}{${declarations}}`;
  });
  return `@media (prefers-color-scheme:dark){${dark.join('')}}`;
}
