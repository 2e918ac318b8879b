// The gate under load with k6: good requests pass, attacks and strangers do not, all at the same time. It fits the
// configuration that `cargo xtask demo` makes (an open route and /api, which wants a key or a token):
//
//     k6 run -e BASE=http://192.0.2.1:8080 -e KEY=bsc_… -e USERS=16 -e DURATION=30s benches/load/gate.js

import http from 'k6/http';
import { check } from 'k6';

const base = __ENV.BASE || 'http://127.0.0.1:8080';
const key = __ENV.KEY;

export const options = {
  vus: Number(__ENV.USERS || 16),
  duration: __ENV.DURATION || '30s',
  insecureSkipTLSVerify: true,
  thresholds: { checks: ['rate==1'] },
};

const attacks = [
  "/products?id=1'%20UNION%20SELECT%20username,%20password%20FROM%20users--",
  '/?name=%3Cscript%3Ealert(1)%3C/script%3E',
  '/?file=../../../../etc/passwd',
  '/?host=127.0.0.1;cat%20/etc/passwd',
];

function expect(name, answer, status) {
  check(answer, { [name]: (it) => it.status === status });
}

export default function () {
  expect('a good request passes', http.get(`${base}/hello?name=world`), 200);
  const attack = attacks[Math.floor(Math.random() * attacks.length)];
  expect('an attack is blocked', http.get(base + attack), 403);
  expect('a stranger is refused', http.get(`${base}/api/orders`), 401);
  if (key) {
    expect('a key opens', http.get(`${base}/api/orders`, { headers: { 'x-api-key': key } }), 200);
  }
}
