// Every text that can be seen, whose contrast is less than WCAG AA asks for: [[words, ratio, colours]].
// Text over pictures is left out: what lies under it is not known.
() => {
  const OVER_PICTURES = ".tile-tools, .loved, .hung-words, .stage, .covered";
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => {
    const mix = (c) => top[c] * top.a + under[c] * (1 - top.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
  };
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.a > 0) layers.push(colour);
      if (colour.a === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), { r: 255, g: 255, b: 255, a: 1 });
  };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const found = [];
  const weigh = (element, words, colour, style) => {
    const under = ground(element);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const has = ratio(over(parse(colour), under), under);
    if (has < (large ? 3 : 4.5)) found.push([words.trim().slice(0, 40), Number(has.toFixed(2)), colour, JSON.stringify(under)]);
  };
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const words = walker.currentNode.textContent;
    if (!words.trim() || element.closest(OVER_PICTURES) || element.closest("button:disabled, option")) continue;
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const style = getComputedStyle(element);
    seen += 1;
    weigh(element, words, element.closest("svg") ? style.fill : style.color, style);
  }
  for (const box of document.querySelectorAll("input[placeholder], textarea[placeholder]")) {
    const style = getComputedStyle(box, "::placeholder");
    if (box.checkVisibility()) weigh(box, box.placeholder, style.color, style);
  }
  return { found, seen };
}
