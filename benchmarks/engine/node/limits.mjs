// Limits with the names and values of chatws's settings: rates of a connection, and numbers of connections.
import { RequestError } from "./errors.mjs";

class TokenBucket {
  constructor(perSecond, burst, now) {
    this.perSecond = perSecond;
    this.capacity = Math.max(burst, 1);
    this.tokens = this.capacity;
    this.updatedAt = now;
  }

  take(now) {
    this.tokens = Math.min(this.capacity, this.tokens + ((now - this.updatedAt) / 1000) * this.perSecond);
    this.updatedAt = now;
    if (this.tokens < 1) {
      throw new RequestError("rate_limited", Math.floor(((1 - this.tokens) / this.perSecond) * 1000) + 1);
    }
    this.tokens -= 1;
  }
}

export class ConnectionRates {
  constructor(limits, now) {
    this.total = new TokenBucket(limits.total_per_s, limits.total_burst, now);
    this.send = new TokenBucket(limits.send_per_s, limits.send_burst, now);
    this.join = new TokenBucket(limits.join_per_s, limits.join_burst, now);
  }
}

export class Admission {
  #limits;
  #counts = new Map(); // open connections by user, by address, and in total
  #rate;

  constructor(limits, now) {
    this.#limits = limits;
    this.#rate = new TokenBucket(limits.new_per_s, limits.new_per_s, now);
  }

  // Count a connection, and return the function that ends the count.
  open(user, address, now) {
    this.#rate.take(now);
    const perUser = user.role === "admin" ? this.#limits.connections_per_agent : this.#limits.connections_per_session;
    const bounds = [
      [`user:${user.userId}`, perUser],
      [`address:${address}`, this.#limits.connections_per_address],
      ["total", this.#limits.connections],
    ];
    for (const [key, maximum] of bounds) {
      if ((this.#counts.get(key) ?? 0) >= maximum) throw new RequestError("connection_limit");
    }
    for (const [key] of bounds) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    return () => {
      for (const [key] of bounds) {
        const left = this.#counts.get(key) - 1;
        if (left > 0) this.#counts.set(key, left);
        else this.#counts.delete(key);
      }
    };
  }
}
