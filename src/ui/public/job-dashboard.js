/* Names the buttons of the job dashboard that have only an icon, for people who hear the page. */

const NAMES = {
  clock: 'Reschedule',
  copy: 'Copy',
  'corner-up-left': 'Promote',
  'ellipsis-vertical': 'Actions',
  maximize: 'Full screen',
  minimize: 'Leave full screen',
  'rotate-cw': 'Retry',
  settings: 'Settings',
  trash2: 'Remove',
};

function nameButtons() {
  for (const button of document.querySelectorAll('button:not([aria-label])')) {
    if (button.innerText.trim() !== '') continue;
    const icon = button.querySelector('svg');
    icon?.removeAttribute('role');
    // The icon of Redis has no class. The names of others say what they show.
    const shown = [...(icon?.classList ?? [])].find((name) => name.startsWith('lucide-'))?.slice(7);
    button.ariaLabel = shown === undefined ? 'Redis' : (NAMES[shown] ?? shown.replaceAll('-', ' '));
  }
}

new MutationObserver(nameButtons).observe(document.documentElement, { childList: true, subtree: true });
