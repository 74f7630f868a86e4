/* What pages do with JavaScript on top of what they do without. htmx keeps them live. */

const times = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** Times in the reader's zone; in UTC, as the server wrote them, on hover. */
function localTimes(root) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    const text = times.format(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

localTimes(document);
new MutationObserver(() => localTimes(document)).observe(document.body, {
  childList: true,
  subtree: true,
  characterData: true,
});

/*
 * A file can be dropped anywhere on its field. The listeners are on the document: the answer to a form takes the place
 * of all of `main`, and the field in it must take a file, too.
 */
function onDrop(type, react) {
  document.addEventListener(type, (event) => {
    const drop = event.target.closest?.('[data-drop]');
    if (drop) react(drop, event);
  });
}
function showFile(drop) {
  const [file] = drop.querySelector('input[type=file]').files;
  if (!file) return;
  const text = `${file.name} · ${new Intl.NumberFormat().format(file.size)} bytes`;
  drop.querySelector('[data-file-name]').textContent = text;
}
onDrop('dragover', (drop, event) => {
  event.preventDefault();
  drop.classList.add('is-over');
});
onDrop('dragleave', (drop) => drop.classList.remove('is-over'));
onDrop('drop', (drop, event) => {
  event.preventDefault();
  drop.classList.remove('is-over');
  if (event.dataTransfer.files.length === 0) return;
  drop.querySelector('input[type=file]').files = event.dataTransfer.files;
  showFile(drop);
});
onDrop('change', showFile);

/** The browser's own sending shows nothing of its progress, which matters for a file of many megabytes. */
document.addEventListener('submit', (event) => {
  const form = event.target.closest('form[data-upload]');
  if (!form) return;
  event.preventDefault();
  const progress = form.querySelector('progress');
  const said = form.querySelector('[data-upload-text]');
  const button = form.querySelector('button[type=submit]');
  const request = new XMLHttpRequest();
  request.open('POST', form.action);
  request.setRequestHeader('Accept', 'text/html');
  request.responseType = 'document';
  request.upload.addEventListener('progress', ({ loaded, total }) => {
    progress.max = total;
    progress.value = loaded;
    const percent = Math.floor((loaded / total) * 100);
    said.textContent = percent < 100 ? `${percent} % sent` : 'Sent. The rows are being checked…';
  });
  request.addEventListener('load', () => {
    if (request.responseURL !== form.action && request.status < 400) {
      location.assign(request.responseURL);
    } else {
      // The answer is a page that says what was wrong.
      document.title = request.response.title;
      document.querySelector('main').replaceWith(request.response.querySelector('main'));
      document.querySelector('main').focus();
    }
  });
  request.addEventListener('error', () => {
    button.disabled = false;
    said.textContent = 'The connection broke off. Nothing was stored; send it again.';
  });
  progress.hidden = false;
  button.disabled = true;
  request.send(new FormData(form));
});

/** Where the entries of the header do not fit, the current one is in sight. */
for (const current of document.querySelectorAll('.site-nav [aria-current]')) {
  const nav = current.parentElement;
  const beyond = current.getBoundingClientRect().right - nav.getBoundingClientRect().right;
  if (beyond > 0) nav.scrollLeft += beyond + 40;
}

/*
 * How an import gets on comes by server-sent events: `progress` and `status`, on which htmx fetches what has changed.
 * While none come through (a proxy that keeps them to itself, a server that is starting again), it is asked for.
 */
const ASK_EVERY_MS = 2000;
let isTold = false;

document.addEventListener('htmx:sse:before:connection', (event) => {
  // What has ended has nothing more to say: it is not connected to again.
  if (event.detail.connection.lastEventId === 'end') event.preventDefault();
});
document.addEventListener('htmx:sse:after:message', () => {
  isTold = true;
});
for (const failure of ['htmx:sse:error', 'htmx:error']) {
  document.addEventListener(failure, ({ target }) => {
    if (target.id === 'stream') isTold = false;
  });
}
setInterval(() => {
  const stream = document.getElementById('stream');
  if (!isTold && !document.hidden) stream?.dispatchEvent(new Event('status'));
}, ASK_EVERY_MS);
