/* The grid of failed rows: saves each change as a draft, and works with the keyboard as a spreadsheet does. */

const grid = document.querySelector('form[data-fix-grid]');
const SAVE_AFTER_MS = 300;

if (grid !== null) {
  const status = grid.querySelector('[data-draft-status]');
  const changed = new Set();
  let timer;
  let saving = Promise.resolve();

  const cellOf = (field) => field.closest('td');
  const isCell = (field) => field.name?.startsWith('cell:');
  const rowOf = (line) => grid.querySelector(`tr[data-line="${line}"]`);

  const save = () => {
    saving = saving.then(async () => {
      if (changed.size === 0) return;
      const fields = new URLSearchParams();
      const lines = new Set();
      for (const field of changed) {
        const [, line] = field.name.split(':');
        lines.add(line);
        if (isCell(field)) fields.append(field.name, field.value);
      }
      for (const line of lines) {
        if (rowOf(line).querySelector('[type=checkbox]').checked) fields.append(`send:${line}`, 'yes');
        else fields.append(`keep:${line}`, 'yes');
      }
      const sent = [...changed];
      changed.clear();
      status.textContent = grid.dataset.saving;
      try {
        const response = await fetch(grid.dataset.fixGrid, { method: 'POST', body: fields, keepalive: true });
        if (!response.ok || response.redirected) throw new Error(`status ${response.status}`);
        show(await response.json());
        status.textContent = grid.dataset.saved;
      } catch {
        for (const field of sent) changed.add(field);
        status.textContent = grid.dataset.notSaved;
      }
    });
    return saving;
  };

  const note = (fields) => {
    for (const field of fields) changed.add(field);
    clearTimeout(timer);
    timer = setTimeout(save, SAVE_AFTER_MS);
  };

  /** Shows what the server answered about the rows that were saved. */
  const show = ({ rows, button, causes }) => {
    grid.querySelector('[data-send] span').textContent = button;
    if (causes !== null) {
      for (const cause of grid.querySelectorAll('[data-cause]'))
        cause.hidden = !causes.includes(cause.dataset.cause);
      // A heading above nothing would look like a fault.
      const section = grid.querySelector('[data-causes]');
      if (section !== null) section.hidden = section.querySelector('.causes > li:not([hidden])') === null;
    }
    for (const { line, changed: isChanged, errors } of rows) {
      const row = rowOf(line);
      row.classList.toggle('is-changed', isChanged);
      row.querySelector('.row-state').hidden = errors.length > 0;
      const unplaced = new Set(errors);
      for (const field of row.querySelectorAll('td > [name^="cell:"]')) {
        const name = field.name.slice(`cell:${line}:`.length);
        const own = errors.filter((error) => error.field === name);
        for (const error of own) unplaced.delete(error);
        mark(field, own.map(({ message }) => message).join(' '));
      }
      const rest = row.querySelector('.row-error');
      rest.textContent = [...unplaced].map(({ message }) => message).join(' ');
      rest.hidden = unplaced.size === 0;
    }
  };

  const mark = (field, message) => {
    const cell = cellOf(field);
    const reason = cell.querySelector('.cell-error');
    cell.classList.toggle('is-wrong', message !== '');
    reason.textContent = message;
    reason.hidden = message === '';
    if (message === '') field.removeAttribute('aria-invalid');
    else field.setAttribute('aria-invalid', 'true');
  };

  grid.addEventListener('change', ({ target }) => {
    if (target.name?.startsWith('send:')) return note([target]);
    if (!isCell(target)) return;
    edited(target);
    note([target]);
  });

  const edited = (field) => {
    cellOf(field).classList.add('is-edited');
    field.closest('tr').querySelector('[type=checkbox]').checked = true;
  };

  /** The cell in the same column, some rows further. */
  const neighbour = (field, rows) => {
    const cell = cellOf(field);
    let row = cell.parentElement;
    const step = rows < 0 ? 'previousElementSibling' : 'nextElementSibling';
    for (let left = Math.abs(rows); left > 0 && row !== null; left -= 1) {
      do row = row[step];
      while (row !== null && row.dataset.line === undefined);
    }
    return row?.children[cell.cellIndex]?.querySelector('[name^="cell:"]') ?? null;
  };

  const go = (field) => {
    if (field === null) return false;
    field.focus();
    if (field.select) field.select();
    return true;
  };

  grid.addEventListener('focusin', ({ target }) => {
    if (isCell(target)) target.dataset.before = target.value;
  });

  grid.addEventListener('keydown', (event) => {
    const { target, key } = event;
    if (!isCell(target) || event.isComposing) return;
    const isText = target.matches('input:not([type=date]), textarea');
    if (key === 'Enter' && event.altKey && target.matches('textarea')) {
      target.setRangeText('\n', target.selectionStart, target.selectionEnd, 'end');
      event.preventDefault();
    } else if (key === 'Enter') {
      event.preventDefault();
      go(neighbour(target, event.shiftKey ? -1 : 1));
    } else if (key === 'Escape' && target.dataset.before !== undefined) {
      target.value = target.dataset.before;
    } else if ((key === 'ArrowDown' || key === 'ArrowUp') && isText && !event.altKey) {
      if (go(neighbour(target, key === 'ArrowDown' ? 1 : -1))) event.preventDefault();
    }
  });

  /** A block of cells from a spreadsheet fills the cells to the right and below. */
  grid.addEventListener('paste', (event) => {
    const { target } = event;
    const text = event.clipboardData?.getData('text/plain') ?? '';
    if (!isCell(target) || !/[\t\n]/.test(text.replace(/\r?\n$/, ''))) return;
    event.preventDefault();
    const block = text
      .replace(/\r\n?/g, '\n')
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => line.split('\t'));
    const pasted = [];
    let first = target;
    for (const values of block) {
      let cell = first === null ? null : cellOf(first);
      for (const value of values) {
        const field = cell?.querySelector('[name^="cell:"]') ?? null;
        if (field !== null && put(field, value)) pasted.push(field);
        cell = cell?.nextElementSibling ?? null;
      }
      first = first === null ? null : neighbour(first, 1);
    }
    pasted.forEach(edited);
    note(pasted);
  });

  const put = (field, value) => {
    if (field.matches('select') && ![...field.options].some((option) => option.value === value)) {
      field.add(new Option(value, value));
    }
    // A date field drops what is not a day, but the person must see what was pasted.
    if (field.type === 'date' && !/^(\d{4}-\d{2}-\d{2})?$/.test(value)) field.type = 'text';
    const before = field.value;
    field.value = value;
    return field.value !== before;
  };

  // The last change is saved before the page is left, too.
  window.addEventListener('pagehide', () => {
    if (changed.size > 0) save();
  });
  grid.addEventListener('submit', () => clearTimeout(timer));
}
