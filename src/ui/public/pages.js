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

/** A file can be dropped anywhere on its field; a form that sends files shows how far it is. */
for (const drop of document.querySelectorAll('[data-drop]')) {
  const input = drop.querySelector('input[type=file]');
  const name = drop.querySelector('[data-file-name]');
  const show = () => {
    const [file] = input.files;
    if (file) name.textContent = `${file.name} · ${new Intl.NumberFormat().format(file.size)} bytes`;
  };
  const over = (is) => (event) => {
    event.preventDefault();
    drop.classList.toggle('is-over', is);
  };
  drop.addEventListener('dragover', over(true));
  drop.addEventListener('dragleave', over(false));
  drop.addEventListener('drop', (event) => {
    over(false)(event);
    if (event.dataTransfer.files.length === 0) return;
    input.files = event.dataTransfer.files;
    show();
  });
  input.addEventListener('change', show);
}

/** The browser's own sending shows nothing of its progress, which matters for a file of many megabytes. */
for (const form of document.querySelectorAll('form[data-upload]')) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const progress = form.querySelector('progress');
    const said = form.querySelector('[data-upload-text]');
    const button = form.querySelector('button[type=submit]');
    const request = new XMLHttpRequest();
    request.open('POST', form.action);
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
