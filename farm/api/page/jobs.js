// The person's jobs as this tab knows them: what was fetched, and what events say since.

import { get, post, query } from "./api.js";
import { Stream } from "./stream.js";

const PAGE = 20;
const OPEN = new Set(["waiting", "dispatched", "running"]);

export const isOpen = (job) => OPEN.has(job.state);

class Folder extends EventTarget {
  jobs = new Map();
  live = new Map(); // of those on their way: {progress, step, steps, preview, queue}
  cursor = null;
  started = false;

  open({ lost, found }) {
    this.stream = new Stream("/v1/events", {
      lost,
      found: () => {
        found();
        if (this.started) this.catchUp();
      },
      hear: (type, told) => this.hear(type, told),
    });
  }

  // In order, the newest first.
  list() {
    return [...this.jobs.values()].sort((a, b) => b.created_at.localeCompare(a.created_at));
  }

  unfinished() {
    return [...this.jobs.values()].filter(isOpen).length;
  }

  async start() {
    if (this.started) return;
    this.started = true;
    await this.more();
  }

  async more() {
    const page = await get(`/v1/jobs${query({ limit: PAGE, cursor: this.cursor })}`);
    this.cursor = page.next_cursor;
    page.data.forEach((job) => this.jobs.set(job.id, job));
    this.tell("listed");
    this.tell("counted");
    return page.data;
  }

  // After a time without connection: what is open may have ended, and another door may have made jobs.
  async catchUp() {
    const page = await get(`/v1/jobs${query({ limit: PAGE })}`).catch(() => ({ data: [] }));
    this.keep(page.data);
    const shown = new Set(page.data.map((job) => job.id));
    this.list().filter((job) => isOpen(job) && !shown.has(job.id)).forEach((job) => this.fetch(job.id));
  }

  keep(jobs) {
    const fresh = jobs.filter((job) => !this.jobs.has(job.id));
    for (const job of jobs) {
      const before = this.jobs.get(job.id);
      this.jobs.set(job.id, job);
      if (!isOpen(job)) this.live.delete(job.id);
      if (before && isOpen(before) && !isOpen(job)) this.tell("settled", job.id);
    }
    if (fresh.length) this.tell("listed");
    jobs.forEach((job) => this.tell("changed", job.id));
    this.tell("counted");
    return jobs;
  }

  async fetch(id) {
    return this.keep([await get(`/v1/jobs/${id}`)])[0];
  }

  async make(path, body, headers) {
    const told = await post(path, body, { headers });
    const { more = [], notices = [], ...first } = told;
    return { jobs: this.keep([first, ...more]), notices };
  }

  cancel(id) {
    return post(`/v1/jobs/${id}/cancel`).then((job) => this.keep([job]));
  }

  hear(type, told) {
    if (type === "result" || told.object === "prediction") return this.keep([told]);
    const id = told.job_id ?? told.job;
    if (!id) return null;
    if (["progress", "preview", "queue"].includes(type)) return this.note(id, type, told);
    const known = this.jobs.get(id);
    if (type === "state" && known) return this.keep([{ ...known, state: told.state, status: told.status }]);
    return this.fetch(id).catch(() => {});
  }

  note(id, type, told) {
    const known = this.live.get(id) ?? {};
    const news = { progress: { ...told }, preview: { preview: told.url }, queue: { queue: told } }[type];
    this.live.set(id, { ...known, ...news });
    if (this.jobs.has(id)) this.tell("changed", id);
    else this.fetch(id).catch(() => {});
  }

  tell(what, id) {
    this.dispatchEvent(new CustomEvent(what, { detail: id }));
  }
}

export const folder = new Folder();
