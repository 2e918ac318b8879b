-- Closes a run of wrk with one line that a program can read; `cargo xtask bench` does. By hand:
--
--     wrk -t1 -c64 -d10s --latency -s benches/load/report.lua http://127.0.0.1:8080/bytes/1024

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      "report: requests=%d duration_us=%d bytes=%d p50_us=%d p99_us=%d connect=%d read=%d write=%d status=%d timeout=%d\n",
      summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
