/*
 * Files on their way in: drop and paste, progress and Cancel, and uploads in several requests that continue after a
 * broken connection, a restart of the server or a reload. Without JavaScript the form sends the file itself. The words
 * come from data attributes of the form.
 */

/** Larger files are sent in several requests. */
const MIB = 1024 * 1024;
const IN_ONE_REQUEST = 8 * MIB;
const PART = 8 * MIB;
/** Between attempts to continue; the last one is repeated. */
const WAITS_MS = [500, 1000, 2000, 5000, 10_000];
/** The server keeps the bytes of an upload for a day. */
const KEPT_MS = 24 * 3600 * 1000;
const UNFINISHED = 'wiq-uploads';

/*
 * A file can be dropped anywhere on its field. The listeners are on the document, because the answer to a form replaces
 * all of `main`, and the new field must take a file too.
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
  const size = drop.dataset.bytes.replace('#', new Intl.NumberFormat().format(file.size));
  drop.querySelector('[data-file-name]').textContent = `${file.name} · ${size}`;
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

/** Cells copied from a spreadsheet are a file, too. */
document.addEventListener('paste', (event) => {
  const drop = document.querySelector('form[data-upload] [data-drop]');
  if (!drop || event.target.closest?.('input:not([type=file]), textarea, select')) return;
  const transfer = new DataTransfer();
  const cells = event.clipboardData.getData('text/plain');
  if (event.clipboardData.files.length > 0) transfer.items.add(event.clipboardData.files[0]);
  else if (/[\t\n]/.test(cells.trim())) {
    const name = drop.dataset.pasted;
    transfer.items.add(new File([cells], name, { type: 'text/tab-separated-values', lastModified: 0 }));
  } else return;
  event.preventDefault();
  drop.querySelector('input[type=file]').files = transfer.files;
  showFile(drop);
});

function preventDefault(event) {
  event.preventDefault();
}

/** Why an upload ended. `text`: the sentence for the reader. */
class Stopped extends Error {
  constructor(text) {
    super(text);
    this.text = text;
  }
}

/**
 * One request. Resolves with the answer whatever its status; rejects if there was none.
 * @param {{ signal: AbortSignal, onProgress?: (bytes: number) => void }} options
 */
function send(method, path, { headers = {}, body = null, type = '', signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    request.responseType = type;
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', ({ loaded }) => onProgress?.(loaded));
    request.addEventListener('load', () => resolve(request));
    request.addEventListener('error', () => reject(new Error('no answer')));
    request.addEventListener('abort', () => reject(signal.reason));
    signal.addEventListener('abort', () => request.abort());
    request.send(body);
  });
}

/** The uploads that this browser began and did not finish, by file and form. */
const unfinished = {
  all() {
    try {
      const kept = JSON.parse(localStorage.getItem(UNFINISHED) ?? '{}');
      return Object.fromEntries(Object.entries(kept).filter(([, { at }]) => Date.now() - at < KEPT_MS));
    } catch {
      return {};
    }
  },
  keep(key, upload) {
    const { [key]: _, ...others } = this.all();
    try {
      const kept = upload === null ? others : { ...others, [key]: upload };
      localStorage.setItem(UNFINISHED, JSON.stringify(kept));
    } catch {
      // A browser that stores nothing cannot continue after a reload; everything else works.
    }
  },
};

const keyOf = (form, file) =>
  [new URL(form.action).pathname, file.name, file.size, file.lastModified].join('|');

const partsPath = (form, file) =>
  `${new URL('parts', form.action).pathname}?fileName=${encodeURIComponent(file.name)}`;

/** The bytes of an unfinished upload that have arrived; `null` if the server does not have it, or no longer. */
async function arrivedBytes(path, signal) {
  const answer = await send('HEAD', path, { signal });
  if (answer.status === 404) return null;
  if (answer.status === 204) return Number(answer.getResponseHeader('Upload-Offset'));
  throw new Error(`status ${answer.status}`);
}

/** Asks again while there is no answer, as after a broken connection. `undefined`: never, or no one waits any more. */
async function askPatiently(path, isAwaited) {
  const { signal } = new AbortController();
  for (const wait of WAITS_MS) {
    try {
      return await arrivedBytes(path, signal);
    } catch {
      await pause(wait, signal);
      if (!isAwaited()) break;
    }
  }
  return undefined;
}

/** Refusals that the next attempt would get again. */
function refuse(answer, words) {
  const { status } = answer;
  if (status === 401) throw new Stopped(words.signedOut);
  if (status < 400 || [404, 408, 409, 425, 429].includes(status) || status >= 500) return;
  let detail = '';
  try {
    detail = JSON.parse(answer.responseText).detail;
  } catch {
    // Not an answer of ours.
  }
  throw new Stopped(detail || words.refused.replace('#', String(status)));
}

/**
 * Sends the file in parts until all of it has arrived, however often the connection breaks.
 * @returns the address of the upload
 * @throws Stopped if the server refuses the file
 */
async function sendInParts(form, file, { signal, show }) {
  const words = form.dataset;
  const key = keyOf(form, file);
  let path = unfinished.all()[key]?.path ?? null;
  let offset = null;
  let failures = 0;
  for (;;) {
    try {
      if (path !== null && offset === null) {
        offset = await arrivedBytes(path, signal);
        if (offset === null) {
          path = null;
          unfinished.keep(key, null);
        }
      }
      if (path === null) {
        const headers = { 'Upload-Complete': '?0', 'Upload-Length': String(file.size) };
        const begun = await send('POST', partsPath(form, file), {
          headers: { ...headers, Accept: 'application/problem+json' },
          signal,
        });
        refuse(begun, words);
        if (begun.status < 300 && begun.status !== 201) throw new Stopped(words.signedOut);
        if (begun.status !== 201) throw new Error(`status ${begun.status}`);
        path = begun.getResponseHeader('Location');
        offset = 0;
        unfinished.keep(key, { path, at: Date.now(), name: file.name, size: file.size });
      }
      if (offset === file.size) return path;
      const end = Math.min(offset + PART, file.size);
      const from = offset;
      show(from);
      // If this request breaks, its offset is unknown until the server has been asked.
      offset = null;
      const answer = await send('PATCH', path, {
        headers: {
          'Content-Type': 'application/partial-upload',
          'Upload-Offset': String(from),
          'Upload-Complete': end === file.size ? '?1' : '?0',
        },
        body: file.slice(from, end),
        signal,
        onProgress: (bytes) => show(from + bytes),
      });
      if (answer.status === 409) {
        // Browsers send a request again when its connection breaks; what arrived the first time is there.
        offset = Number(answer.getResponseHeader('Upload-Offset'));
        continue;
      }
      refuse(answer, words);
      if (answer.status !== 204) throw new Error(`status ${answer.status}`);
      offset = end;
      failures = 0;
    } catch (error) {
      if (error instanceof Stopped || signal.aborted) throw error;
      if (await isUnreadable(file)) throw new Stopped(words.changed);
      form.querySelector('[data-upload-text]').textContent = words.reconnecting;
      const wait = WAITS_MS[Math.min(failures, WAITS_MS.length - 1)];
      failures += 1;
      await pause(wait, signal);
    }
  }
}

/** A file that was changed or moved since it was chosen can no longer be read, which looks like a broken connection. */
async function isUnreadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return false;
  } catch {
    return true;
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    // A browser that is online again tries at once.
    window.addEventListener('online', resolve, { once: true });
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Submits the form with the address of the file that has arrived; asked again, the server answers the same. */
async function submitArrived(form, path, signal) {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (typeof value === 'string') fields.append(name, value);
  fields.set('upload', path.split('/').at(-1));
  for (let failures = 0; ; failures += 1) {
    try {
      const headers = { Accept: 'text/html', 'Content-Type': 'application/x-www-form-urlencoded' };
      const answer = await send('POST', form.action, {
        ...{ headers, signal, type: 'document', body: fields.toString() },
      });
      if (answer.status < 500) return answer;
    } catch (error) {
      if (signal.aborted) throw error;
    }
    await pause(WAITS_MS[Math.min(failures, WAITS_MS.length - 1)], signal);
  }
}

/** Uploads a file and shows the progress, which the browser's own form submission does not. */
async function upload(form) {
  const file = form.querySelector('input[type=file]').files[0];
  const words = form.dataset;
  const progress = form.querySelector('progress');
  const status = form.querySelector('[data-upload-text]');
  const button = form.querySelector('button[type=submit]');
  const cancel = form.querySelector('[data-upload-cancel]');
  const canceling = new AbortController();
  const { signal } = canceling;
  const abort = () => canceling.abort();
  const isLarge = file.size > IN_ONE_REQUEST;
  const setUploading = (uploading) => {
    progress.hidden = !uploading;
    button.disabled = uploading;
    cancel.hidden = !uploading;
    const change = uploading ? 'addEventListener' : 'removeEventListener';
    cancel[change]('click', abort);
    // The browser asks before the page is left: a file that has not arrived is lost, or waits.
    window[change]('beforeunload', preventDefault);
  };
  const show = (bytes) => {
    progress.max = file.size;
    progress.value = bytes;
    const percent = Math.min(100, Math.floor((bytes / file.size) * 100));
    status.textContent = percent < 100 ? words.percent.replace('#', String(percent)) : words.checking;
  };
  setUploading(true);
  try {
    let answer;
    if (isLarge) {
      const path = await sendInParts(form, file, { signal, show });
      show(file.size);
      answer = await submitArrived(form, path, signal);
      // Otherwise the server has taken the file, or refused and deleted it.
      if (answer.status !== 401) unfinished.keep(keyOf(form, file), null);
    } else {
      answer = await send('POST', form.action, {
        headers: { Accept: 'text/html' },
        body: new FormData(form),
        type: 'document',
        signal,
        onProgress: show,
      });
    }
    window.removeEventListener('beforeunload', preventDefault);
    follow(form, answer);
  } catch (error) {
    setUploading(false);
    if (signal.aborted) {
      status.textContent = words.canceled;
      if (isLarge) await forget(form, file);
    } else status.textContent = error instanceof Stopped ? error.text : words.broken;
  }
}

/** Goes where the answer leads, or shows its page, which reports the error. */
function follow(form, answer) {
  if (answer.responseURL !== form.action && answer.status < 400) {
    location.assign(answer.responseURL);
    return;
  }
  document.title = answer.response.title;
  document.querySelector('main').replaceWith(answer.response.querySelector('main'));
  document.querySelector('main').focus();
}

/** Deletes what has arrived of a file. */
async function forget(form, file) {
  const key = keyOf(form, file);
  const kept = unfinished.all()[key];
  unfinished.keep(key, null);
  if (kept) await send('DELETE', kept.path, { signal: new AbortController().signal }).catch(() => undefined);
}

document.addEventListener('submit', (event) => {
  const form = event.target.closest('form[data-upload]');
  if (!form) return;
  event.preventDefault();
  void upload(form);
});

/** Offers to continue when a file is chosen of which a part has arrived. */
document.addEventListener('change', async ({ target }) => {
  const form = target.closest?.('form[data-upload]');
  const file = form && target.type === 'file' && target.files[0];
  if (!file) return;
  const status = form.querySelector('[data-upload-text]');
  status.textContent = '';
  const kept = unfinished.all()[keyOf(form, file)];
  if (!kept) return;
  const offset = await askPatiently(kept.path, () => target.files[0] === file);
  if (offset === null) unfinished.keep(keyOf(form, file), null);
  if (!offset || target.files[0] !== file) return;
  status.textContent = form.dataset.continues.replace('#', String(Math.floor((offset / file.size) * 100)));
});

/** Says at once which upload was interrupted. */
for (const form of document.querySelectorAll('form[data-upload]')) {
  const page = `${new URL(form.action).pathname}|`;
  const kept = Object.entries(unfinished.all()).find(([key]) => key.startsWith(page));
  if (kept)
    form.querySelector('[data-upload-text]').textContent = form.dataset.interrupted.replace(
      '#',
      kept[1].name,
    );
}
