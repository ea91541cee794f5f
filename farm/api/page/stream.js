// Server-sent events over fetch, because EventSource cannot carry a key; comes back by itself and goes on
// after the last event it has heard.

import { Problem, reach } from "./api.js";

const WAITS_MS = [300, 700, 1500, 3000, 6000];

export class Stream {
  constructor(path, { hear, lost = () => {}, found = () => {} }) {
    Object.assign(this, { path, hear, lost, found, tries: 0, last: null, aborter: new AbortController() });
    this.run();
  }

  close() {
    this.aborter.abort();
  }

  async run() {
    while (!this.aborter.signal.aborted) {
      try {
        await this.listen();
      } catch (error) {
        if (error.name === "AbortError") return;
        if (error instanceof Problem && [401, 403, 404].includes(error.status)) return;
      }
      this.lost();
      await new Promise((done) => setTimeout(done, WAITS_MS[Math.min(this.tries++, WAITS_MS.length - 1)]));
    }
  }

  async listen() {
    const headers = { Accept: "text/event-stream", ...(this.last ? { "Last-Event-ID": this.last } : {}) };
    const answer = await reach(this.path, { headers, signal: this.aborter.signal });
    if (!answer.ok) throw new Problem(await answer.json().catch(() => ({})), answer.status);
    this.found();
    const parser = new Parser((event) => this.take(event));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      parser.feed(value);
    }
  }

  take({ id, type, data }) {
    this.tries = 0;
    if (id) this.last = id;
    if (!data) return;
    const told = JSON.parse(data);
    this.hear(told.type ?? type, told);
  }
}

// The text/event-stream format: fields by lines, an event by an empty one.
export class Parser {
  constructor(tell) {
    Object.assign(this, { tell, rest: "", event: {} });
  }

  feed(text) {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    lines.forEach((line) => this.line(line));
  }

  line(line) {
    if (line === "") {
      if (this.event.data !== undefined || this.event.id) this.tell({ type: "message", ...this.event });
      this.event = {};
      return;
    }
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === "data") this.event.data = this.event.data === undefined ? value : `${this.event.data}\n${value}`;
    else if (name === "id") this.event.id = value;
    else if (name === "event") this.event.type = value;
  }
}
