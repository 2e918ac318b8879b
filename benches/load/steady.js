// Steady load with k6: does every answer come, complete and in time? For speed use wrk, which costs less CPU itself.
//
//     k6 run -e BASE=http://127.0.0.1:8080 -e SIZE=1024 -e USERS=64 -e DURATION=30s benches/load/steady.js
//
// The backend behind it should be ours (`backend` of this crate): it answers /bytes/N with N bytes.

import http from 'k6/http';
import { check } from 'k6';

const base = __ENV.BASE || 'http://127.0.0.1:8080';
const size = Number(__ENV.SIZE || 1024);

export const options = {
  vus: Number(__ENV.USERS || 64),
  duration: __ENV.DURATION || '30s',
  discardResponseBodies: false,
  insecureSkipTLSVerify: true,
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    http_req_duration: ['p(99)<500'],
  },
};

export default function () {
  const answer = http.get(`${base}/bytes/${size}`, { responseType: 'binary' });
  check(answer, {
    'status is 200': (it) => it.status === 200,
    'body is complete': (it) => it.body && it.body.byteLength === size,
  });
}
