// What becomes of a form that was sent: answered, failed, or nothing heard in time.

const PATIENCE_MS = 5000;

export class Outcomes {
  constructor() {
    this.known = new Map();
    this.waiting = new Map();
  }

  hear({ id, state }) {
    if (state === "pending") return;
    this.known.set(id, state);
    this.waiting.get(id)?.(state);
  }

  // The word may come before or after the id that it is about.
  async of(id) {
    const state = this.known.get(id) ?? await new Promise((resolve) => {
      this.waiting.set(id, resolve);
      setTimeout(resolve, PATIENCE_MS, "failed");
    });
    this.waiting.delete(id);
    this.known.delete(id);
    if (state === "failed") throw new Error("Something went wrong. Try again.");
  }
}
