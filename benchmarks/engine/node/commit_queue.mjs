// Two ways of committing messages: each in its own transaction, or all of one turn of the event loop in one.
import { RequestError } from "./errors.mjs";

class CommitQueue {
  #store;

  constructor(store) {
    this.#store = store;
  }

  // Store the jobs' drafts in one transaction, then call `settle(error, stored)` of each job.
  commit(jobs) {
    let outcomes;
    try {
      outcomes = this.#store.append(jobs.map(({ draft }) => draft));
    } catch (error) {
      console.error(error);
      for (const { settle } of jobs) settle(new RequestError("storage_unavailable"));
      return;
    }
    jobs.forEach(({ settle }, index) => {
      const stored = outcomes[index];
      if (stored.conflict) settle(new RequestError("idempotency_conflict"));
      else settle(undefined, stored);
    });
  }
}

export class CommitPerMessage extends CommitQueue {
  append(draft, settle) {
    this.commit([{ draft, settle }]);
  }
}

export class CommitPerTurn extends CommitQueue {
  #waiting = [];

  append(draft, settle) {
    if (this.#waiting.push({ draft, settle }) === 1) {
      setImmediate(() => {
        const jobs = this.#waiting;
        this.#waiting = [];
        this.commit(jobs);
      });
    }
  }
}
