/* What pages do in addition when JavaScript runs. htmx keeps them live. Their words come from data attributes. */

const times = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const shortTimes = {
  hour: new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' }),
  day: new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' }),
};
const partTimes = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** Shows times in the reader's zone. The title keeps the UTC time that the server wrote. */
function localTimes(root) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    const text = (shortTimes[time.dataset.format] ?? times).format(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
  for (const title of root.querySelectorAll('title[data-at]')) {
    const text = `${partTimes.format(new Date(title.dataset.at))} · ${title.dataset.counts}`;
    if (title.textContent !== text) title.textContent = text;
  }
}

/** Gives the document the title that a live part of the page names, such as "43 % · members.csv". */
function liveTitle() {
  const title = document.querySelector('[data-page-title]')?.dataset.pageTitle;
  if (title !== undefined && document.title !== title) document.title = title;
}

localTimes(document);
new MutationObserver(() => {
  localTimes(document);
  liveTitle();
}).observe(document.body, {
  childList: true,
  subtree: true,
  characterData: true,
});

/** Filters that apply at once stand in the address too, for a reload or a bookmark. */
document.addEventListener('input', (event) => {
  const form = event.target.closest?.('form[data-live-filter]');
  if (!form) return;
  const filters = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ''));
  history.replaceState(history.state, '', filters.size > 0 ? `${form.action}?${filters}` : form.action);
});

/** Scrolls the current entry of the header into view if the entries do not fit. */
for (const current of document.querySelectorAll('.site-nav [aria-current]')) {
  const nav = current.parentElement;
  const beyond = current.getBoundingClientRect().right - nav.getBoundingClientRect().right;
  if (beyond > 0) nav.scrollLeft += beyond + 40;
}

/*
 * Server-sent events report the progress of an import: `progress` and `status`, on which htmx fetches the changed part.
 * While no events arrive (a proxy buffers them, the server restarts), the page polls.
 */
const POLL_MS = 2000;
let receivesEvents = false;

document.addEventListener('htmx:sse:before:connection', (event) => {
  // An import that has ended sends nothing more, so the page does not reconnect.
  if (event.detail.connection.lastEventId === 'end') event.preventDefault();
});
document.addEventListener('htmx:sse:after:message', () => {
  receivesEvents = true;
});
for (const failure of ['htmx:sse:error', 'htmx:error']) {
  document.addEventListener(failure, ({ target }) => {
    if (target.id === 'stream') receivesEvents = false;
  });
}
setInterval(() => {
  const stream = document.getElementById('stream');
  if (!receivesEvents && !document.hidden) stream?.dispatchEvent(new Event('status'));
}, POLL_MS);

/*
 * Questions open as modal dialogs, which keep the focus inside and give it back. Without JavaScript they are popovers.
 */
document.addEventListener('click', (event) => {
  const button = event.target.closest?.('button[popovertarget]');
  const dialog = button && document.getElementById(button.getAttribute('popovertarget'));
  if (!(dialog instanceof HTMLDialogElement)) return;
  event.preventDefault();
  if (dialog.open) dialog.close();
  else dialog.showModal();
});

/** Closes a question that the new content no longer asks: it must not turn into a different one under the pointer. */
document.addEventListener('htmx:before:swap', ({ detail }) => {
  for (const dialog of document.querySelectorAll('dialog[open]')) {
    for (const { target, fragment } of detail.tasks) {
      const replaced = typeof target === 'string' ? document.querySelector(target) : target;
      if (replaced?.contains(dialog) && !fragment?.querySelector(`#${dialog.id}`)) dialog.close();
    }
  }
});

/** Buttons that copy a text. They are hidden without JavaScript. */
for (const button of document.querySelectorAll('[data-copy]')) {
  if (navigator.clipboard === undefined) break;
  button.hidden = false;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.parentElement.querySelector('[role=status]').textContent = button.dataset.copied;
  });
}
