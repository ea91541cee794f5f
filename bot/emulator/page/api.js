// Talking to the server: actions over HTTP, events over a WebSocket that comes back by itself.

export class Refusal extends Error {}

async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(`/_emulator/${path}`, {
      method,
      headers: body instanceof Blob || body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
    });
  } catch {
    throw new Refusal("The server cannot be reached. Is it still running?");
  }
  const parsed = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(parsed.error || `The server answered ${answer.status}.`);
  return parsed;
}

const query = (values) => new URLSearchParams(values).toString();

export const api = {
  state: (user) => call("GET", `state?${query({ user })}`),
  messages: (user, channel) => call("GET", `messages?${query({ user, channel })}`),
  say: (wish) => call("POST", "messages", wish),
  erase: (user, id) => call("DELETE", `messages/${id}?${query({ user })}`),
  slash: (wish) => call("POST", "slash", wish),
  autocomplete: (wish) => call("POST", "autocomplete", wish),
  click: (wish) => call("POST", "click", wish),
  modal: (wish) => call("POST", "modal", wish),
  direct: (user) => call("POST", "direct", { user }),
  typing: (user, channel) => call("POST", "typing", { user, channel }),
  menu: (wish) => call("POST", "menu", wish),
  buy: (user, sku) => call("POST", "shop/buy", { user, sku }),
  cancel: (user, sku) => call("POST", "shop/cancel", { user, sku }),
  upload: (user, file) => call("POST", `uploads?${query({ user, name: file.name })}`, file),
};

const WAITS_MS = [300, 600, 1200, 2500, 5000];

export class Feed {
  constructor(user, { hear, lost }) {
    Object.assign(this, { user, hear, lost, tries: 0, over: false });
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/_emulator/events?${query({ user: this.user })}`);
    this.socket.addEventListener("message", (packet) => {
      this.tries = 0;
      if (!this.over) this.hear(JSON.parse(packet.data));
    });
    this.socket.addEventListener("close", () => this.retry());
  }

  retry() {
    if (this.over) return;
    this.lost();
    const wait = WAITS_MS[Math.min(this.tries++, WAITS_MS.length - 1)];
    this.timer = setTimeout(() => this.open(), wait);
  }

  close() {
    this.over = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
