"""``make bench-cluster``: the benchmark on a Redis and a PostgreSQL of its own; that one writes through to the disk."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.cluster.__main__ import main
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer


def run() -> int:
    with tempfile.TemporaryDirectory(prefix="chatws-redis-") as folder:
        postgres, redis = PostgresServer(durable=True), RedisServer(Path(folder))
        try:
            postgres.start()
            redis.start()
            urls = ["--database-url", postgres.url(), "--redis-url", redis.url]
            pids = ["--postgres-pid", str(postgres.pid), "--redis-pid", str(redis.pid)]
            return main([*urls, *pids, *sys.argv[1:]])
        finally:
            redis.kill()
            postgres.close()


if __name__ == "__main__":
    sys.exit(run())
