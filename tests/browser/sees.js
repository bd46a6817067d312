// What can be seen of a page from inside it; `kvittSees.<what>()` answers plain lists. It changes
// nothing but where the focus is, and stops transitions, so that each look is at rest.
(() => {
  if (window.kvittSees) return;
  const SMALLEST = 24, MANY = 5;
  const ACTS = 'a[href], button, input:not([type=hidden]), select, textarea, summary,' +
    '[role=button], [role=link], [role=checkbox], [role=switch], [role=tab], [role=menuitem],' +
    '[role=option], [role=radio], [contenteditable=true]';
  const FOCUSABLE = `${ACTS}, [tabindex]`;

  const still = new CSSStyleSheet();
  still.replaceSync('*, *::before, *::after { transition: none !important; ' +
    'animation: none !important; scroll-behavior: auto !important; caret-color: auto; }');
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, still];

  // Every element, those inside open shadow roots too.
  function* all(selector, root = document) {
    for (const element of root.querySelectorAll('*')) {
      if (element.matches(selector)) yield element;
      if (element.shadowRoot) yield* all(selector, element.shadowRoot);
    }
  }
  const up = (element) => element.parentElement || (element.getRootNode().host ?? null);
  function within(inner, outer) {
    for (let at = inner; at; at = up(at)) if (at === outer) return true;
    return false;
  }
  const shown = (element) => element.checkVisibility(
    { visibilityProperty: true, contentVisibilityAuto: true });
  const drawn = (rect) => rect.width > 1 && rect.height > 1;
  function named(element) {
    const id = element.id ? `#${element.id}` : '';
    const kind = element.getAttribute('class')?.trim().split(/\s+/)[0];
    const text = (element.getAttribute('aria-label') || element.textContent || '')
      .trim().replace(/\s+/g, ' ').slice(0, 40);
    const name = element.getAttribute('name');
    return element.localName + id + (kind && !id ? `.${kind}` : '') +
      (name ? `[name=${name}]` : '') + (text ? ` «${text}»` : '');
  }
  const few = (found) => found.length <= MANY ? found
    : [...found.slice(0, MANY), `and ${found.length - MANY} more`];

  // --- what stands outside the window -------------------------------------------------------

  // The ancestor that cuts the element off or lets it be scrolled, and how; null for the page.
  function frame(element) {
    for (let at = up(element); at && at !== document.body; at = up(at)) {
      const way = getComputedStyle(at).overflowX;
      if (way !== 'visible') return { at, scrolls: way === 'auto' || way === 'scroll' };
    }
    return null;
  }
  function overflow() {
    const found = [], page = document.scrollingElement;
    const wide = page.clientWidth;
    if (page.scrollWidth > wide) found.push(`the page is ${page.scrollWidth - wide} px too wide`);
    const out = new Set();
    for (const element of all('body *')) {
      if (out.has(up(element))) { out.add(element); continue; }  // told of with its parent
      if (!shown(element)) continue;
      const rect = element.getBoundingClientRect();
      if (!drawn(rect) || (rect.right <= wide + 1 && rect.left >= -1)) continue;
      const around = frame(element);
      if (getComputedStyle(element).position === 'absolute' && rect.right < 0) continue;
      if (around && !around.scrolls) continue;  // cut off on purpose
      out.add(element);
      if (!around) found.push(`sticks out of the window: ${named(element)}`);
      else if (!around.at.hasAttribute('tabindex'))
        found.push(`scrolls sideways, and no key reaches it: ${named(around.at)}`);
    }
    return few([...new Set(found)]);
  }

  // --- where the focus is -------------------------------------------------------------------

  function focused() {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at && at !== document.body && at !== document.documentElement ? at : null;
  }
  const LOOK = ['outlineStyle', 'outlineWidth', 'outlineColor', 'boxShadow', 'borderColor',
    'borderWidth', 'backgroundColor', 'color', 'textDecorationLine', 'textDecorationThickness'];
  const surface = (element, part) => {
    const style = getComputedStyle(element, part);
    const outline = style.outlineStyle === 'none' || parseFloat(style.outlineWidth) === 0
      ? 'none' : `${style.outlineStyle} ${style.outlineWidth} ${style.outlineColor}`;
    return [outline, ...LOOK.slice(3).map((name) => style[name])].join('|');
  };
  // The element and what may show the focus in its stead: its label, its parts, its surroundings.
  function surfaces(element) {
    const near = [element, up(element), element.nextElementSibling, ...(element.labels ?? [])];
    return near.filter(Boolean).flatMap((one) =>
      [surface(one), surface(one, '::before'), surface(one, '::after')]).join('\n');
  }
  let before = new Map();
  function rest() {
    focused()?.blur();
    window.scrollTo(0, 0);
    before = new Map([...all(FOCUSABLE)].map((element) => [element, surfaces(element)]));
  }
  function points(element) {
    const tall = document.documentElement.clientHeight, wide = document.documentElement.clientWidth;
    const found = [];
    for (const rect of element.getClientRects()) {
      const left = Math.max(rect.left, 0), right = Math.min(rect.right, wide);
      const top = Math.max(rect.top, 0), bottom = Math.min(rect.bottom, tall);
      if (right - left < 1 || bottom - top < 1) continue;
      const [x, y] = [(left + right) / 2, (top + bottom) / 2];
      const [dx, dy] = [Math.min(2, (right - left) / 4), Math.min(2, (bottom - top) / 4)];
      found.push([x, y], [left + dx, top + dy], [right - dx, top + dy],
        [left + dx, bottom - dy], [right - dx, bottom - dy]);
    }
    return found;
  }
  function hit(x, y) {
    let at = document.elementFromPoint(x, y);
    while (at?.shadowRoot) {
      const inner = at.shadowRoot.elementFromPoint(x, y);
      if (!inner || inner === at) break;
      at = inner;
    }
    return at;
  }
  // A walk by Tab: each element is judged when the next Tab is about to leave it, at rest.
  let previous = null, wrong = new Set(), ended = false;
  function judge(event) {
    if (event.key !== 'Tab' || ended) return;
    const element = focused();
    if (!element) { ended = previous !== null; return; }
    // The last thing in an open dialog: the next Tab leads out of the page, to the browser's own.
    if (element === previous && element.closest('dialog:modal')) { ended = true; return; }
    if (element === previous) wrong.add(`Tab does not leave ${named(element)}`);
    previous = element;
    const spots = points(element), labels = [...(element.labels ?? [])];
    if (!shown(element) || !spots.length) wrong.add(`focus cannot be seen: ${named(element)}`);
    else if (!spots.some(([x, y]) => {
      const top = hit(x, y);
      return top && (within(top, element) || within(element, top) ||
        labels.some((label) => within(top, label)));
    })) wrong.add(`focus is covered: ${named(element)} by ${named(hit(...spots[0]) ?? element)}`);
    const known = before.get(element);
    if (known !== undefined && known === surfaces(element))
      wrong.add(`focus leaves no mark: ${named(element)}`);
  }
  // The walk begins at the top of the page, or goes backwards from its end.
  function begin(end) {
    rest();
    previous = null, wrong = new Set(), ended = false;
    // Where a focused element is taken away, Tab goes on from.
    const mark = document.createElement('span');
    mark.tabIndex = -1;
    document.body[end ? 'append' : 'prepend'](mark);
    mark.focus({ preventScroll: true });
    mark.remove();
    if (end) window.scrollTo(0, document.scrollingElement.scrollHeight);
    window.addEventListener('keydown', judge, true);
  }
  const walked = () => ({ ended, wrong: [...wrong] });
  function finish() {
    window.removeEventListener('keydown', judge, true);
    rest();
  }

  // --- what can be hit with a finger --------------------------------------------------------

  const span = (rects) => ({
    left: Math.min(...rects.map((r) => r.left)), right: Math.max(...rects.map((r) => r.right)),
    top: Math.min(...rects.map((r) => r.top)), bottom: Math.max(...rects.map((r) => r.bottom)) });
  function target(element) {
    const own = element.getBoundingClientRect();
    const labels = ['checkbox', 'radio'].includes(element.type) ? [...(element.labels ?? [])] : [];
    const rects = [own, ...labels.filter(shown).map((label) => label.getBoundingClientRect())];
    return { element, ...span(rects), drawn: drawn(own) || labels.some(shown) };
  }
  function inline(element) {
    if (element.localName !== 'a' || !getComputedStyle(element).display.startsWith('inline'))
      return false;
    let block = up(element);
    while (block && getComputedStyle(block).display.startsWith('inline')) block = up(block);
    const links = [...(block?.querySelectorAll('a') ?? [])];
    const rest = (block?.textContent ?? '').replace(/\s/g, '').length -
      links.reduce((sum, link) => sum + link.textContent.replace(/\s/g, '').length, 0);
    return rest > 1;
  }
  const small = (t) => t.right - t.left < SMALLEST - .5 || t.bottom - t.top < SMALLEST - .5;
  const middle = (t) => [(t.left + t.right) / 2, (t.top + t.bottom) / 2];
  function crowded(one, other) {
    if (one === other || within(one.element, other.element) || within(other.element, one.element))
      return false;
    const [x, y] = middle(one);
    if (small(other)) {
      const [a, b] = middle(other);
      return Math.hypot(x - a, y - b) < SMALLEST;
    }
    const dx = Math.max(other.left - x, 0, x - other.right);
    const dy = Math.max(other.top - y, 0, y - other.bottom);
    return Math.hypot(dx, dy) < SMALLEST / 2;
  }
  function targets() {
    const every = [...all(ACTS)].filter((e) => shown(e) && !e.disabled).map(target)
      .filter((t) => t.drawn && t.right > 0 && t.bottom + window.scrollY > 0);
    return few(every
      .filter((t) => small(t) && !inline(t.element) && every.some((o) => crowded(t, o)))
      .map((t) => `${Math.round(t.right - t.left)}×${Math.round(t.bottom - t.top)} px, ` +
        `too near another: ${named(t.element)}`));
  }

  // --- what stands in the document ----------------------------------------------------------

  function structure() {
    const found = [], count = (selector) => [...all(selector)].length;
    const titles = [...document.querySelectorAll('head > title')];
    if (titles.length !== 1 || !titles[0].textContent.trim())
      found.push(`${titles.length} title elements, or an empty one`);
    const heads = [...all('h1')].filter(shown);
    if (heads.length !== 1 || !heads[0].textContent.trim())
      found.push(`${count('h1')} h1 elements, ${heads.length} shown, or an empty one`);
    const seen = new Set();
    for (const { id } of document.querySelectorAll('[id]')) {
      if (seen.has(id)) found.push(`the id ${id || '(empty)'} stands twice`);
      seen.add(id);
    }
    for (const field of all('input:not([type=hidden], [type=submit], [type=button], [type=image],' +
      ' [type=reset]), select, textarea, meter, progress')) {
      const told = (field.getAttribute('aria-labelledby') ?? '').split(/\s+/)
        .map((id) => document.getElementById(id)?.textContent ?? '').join('');
      const words = [field.getAttribute('aria-label'), told, field.title,
        ...[...(field.labels ?? [])].map((label) => label.textContent)].join('').trim();
      if (!words && field.getAttribute('aria-hidden') !== 'true')
        found.push(`no label: ${named(field)}`);
    }
    return [...new Set(found)];
  }

  // Texts with the language they say they are in; code and letters are data.
  const ATTRIBUTES = ['aria-label', 'aria-description', 'placeholder', 'alt', 'title',
    'data-label', 'label', 'aria-valuetext'];
  const DATA = 'script, style, template, code, pre, samp, kbd, textarea, [translate=no]';
  function texts() {
    const found = new Map();
    const add = (text, element) => {
      const plain = text.replace(/\s+/g, ' ').trim();
      const lang = element.closest('[lang]')?.lang ?? '';
      if (/\p{L}/u.test(plain) || plain.includes('%'))
        found.set(`${lang}\n${plain}`, [plain, lang]);
    };
    const roots = [document];
    for (const element of all('*')) if (element.shadowRoot) roots.push(element.shadowRoot);
    for (const root of roots) {
      const walk = document.createTreeWalker(root.body ?? root, NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) {
        const parent = walk.currentNode.parentElement;
        if (parent && !parent.closest(DATA)) add(walk.currentNode.data, parent);
      }
    }
    for (const element of all('*')) {
      if (element.closest('[translate=no]')) continue;
      for (const name of ATTRIBUTES)
        if (element.hasAttribute(name)) add(element.getAttribute(name), element);
      if (element.matches('input[type=submit], input[type=button]')) add(element.value, element);
    }
    add(document.title, document.documentElement);
    return [...found.values()];
  }
  function links() {
    const away = [...all('a[href], area[href]')].filter(
      (link) => !link.getAttribute('href').startsWith('#'));
    return [...new Set(away.map((link) => link.href))];
  }
  function anchors() {
    const here = location.href.split('#')[0], found = [];
    for (const link of all('a[href*="#"]')) {
      const [to, name] = link.href.split('#').map(decodeURIComponent);
      if (to === decodeURIComponent(here) && name && !document.getElementById(name))
        found.push(`#${name} is not on the page: ${named(link)}`);
    }
    return [...new Set(found)];
  }

  window.kvittSees = {
    overflow, begin, walked, finish, targets, structure, texts, links, anchors,
  };
})();
