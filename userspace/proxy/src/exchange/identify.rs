//! Who is calling: API keys and tokens.

use super::Exchange;
use super::record::spent;
use super::stop::Stop;
use crate::generation::RoutePlan;
use auth::{AuthRequest, Denial, Outcome, Policy};
use net::Driver;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long a request waits for keys that are being fetched. Then it is answered without them.
const KEY_PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks whether they are there.
const KEY_POLL: Duration = Duration::from_millis(10);

impl<D: Driver> Exchange<'_, D> {
    pub(super) async fn identify(&mut self, route: &RoutePlan) -> Result<(), Stop> {
        let Some(policy) = &route.auth else {
            return Ok(());
        };
        let since = Instant::now();
        // Whatever comes of it, the credentials in the query are not logged.
        self.record.scrubbed_query = self
            .request
            .view
            .query()
            .and_then(|query| policy.strip_query(query));
        let outcome = self.check(policy).await;
        spent(&mut self.record.stages.auth, since);
        let counts = self.route_counts();
        match outcome {
            Ok(identity) => {
                counts.auth("allowed");
                self.record.identity = Some(identity);
                Ok(())
            }
            Err(denial) => {
                counts.auth(denial.detail.word());
                Err(refusal(&denial))
            }
        }
    }

    /// Checks once, and once more when keys had to be fetched for it.
    async fn check(&self, policy: &Policy) -> Result<Arc<auth::Identity>, Denial> {
        let awaited = match self.check_now(policy) {
            Outcome::Allow(identity) => return Ok(identity),
            Outcome::Deny(denial) => return Err(denial),
            Outcome::AwaitKeys(awaited) => awaited,
        };
        let until = (Instant::now() + KEY_PATIENCE).min(self.total);
        while awaited.keys.version() == awaited.version && Instant::now() < until {
            tokio::time::sleep(KEY_POLL).await;
        }
        match self.check_now(policy) {
            Outcome::Allow(identity) => Ok(identity),
            Outcome::Deny(denial) => Err(denial),
            Outcome::AwaitKeys(_) => Err(awaited.otherwise),
        }
    }

    fn check_now(&self, policy: &Policy) -> Outcome {
        let request = AuthRequest {
            headers: &self.request,
            query: self.request.view.query(),
        };
        policy.check(
            &request,
            &mut self.worker.tokens.borrow_mut(),
            SystemTime::now(),
        )
    }
}

fn refusal(denial: &Denial) -> Stop {
    let stop = Stop::new(denial.reason)
        .detail(denial.detail.word())
        .sentence(denial.sentence());
    match &denial.www_authenticate {
        Some(challenge) => stop.field("WWW-Authenticate", challenge.as_bytes()),
        None => stop,
    }
}
