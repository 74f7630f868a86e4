/* What bull-board lacks for people who hear its pages: names of buttons that have only an icon, and a first heading. */

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

function markTitle() {
  const title = document.querySelector('header a > span[title]');
  title?.setAttribute('role', 'heading');
  title?.setAttribute('aria-level', '1');
  // The title beside it says the same.
  document.querySelector('header a > img')?.setAttribute('alt', '');
}

function complete() {
  nameButtons();
  markTitle();
}

new MutationObserver(complete).observe(document.documentElement, { childList: true, subtree: true });
