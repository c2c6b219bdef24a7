//! Pings that the user's own code sends.

use std::fmt;
use std::future::poll_fn;

use bytes::Bytes;
use http::{HeaderMap, Request};

use super::held::Flight;
use crate::adapter::caller;
use crate::adapter::errands::Answer;
use crate::adapter::handle::Cachewright;
use crate::model::Vigil;

/// A ping that is due, for code that sends it itself.
///
/// Say what came of it: one that is dropped unsaid is let go, with all pings after it.
pub struct Ping {
    cache: Cachewright,
    /// Until somebody says what came of it.
    flight: Option<Flight>,
    request: Request<Bytes>,
}

impl Cachewright {
    /// The pings that are due, where [`Pinger::Caller`](super::Pinger::Caller) is set, each to be sent
    /// now: they were decided on, and their price is set aside. Ask every few seconds, or wait for
    /// [`due_ping`](Self::due_ping).
    ///
    /// ```
    /// use cachewright::adapter::handle::Cachewright;
    ///
    /// # async fn run(client: reqwest::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let text = "keep_alive = { send = false }";
    /// let cache = Cachewright::builder().config("settings", text)?.build()?;
    /// // … requests …
    /// for ping in cache.due_pings() {
    ///     let answer = client.execute(ping.request().try_into()?).await?;
    ///     let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    ///     ping.answered(status, &headers, &answer.bytes().await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn due_pings(&self) -> Vec<Ping> {
        let mut found = Vec::new();
        while let Some(flight) = self.keep().due(None) {
            found.extend(self.ping(flight));
        }
        found
    }

    /// Waits for the next ping that is due, where [`Pinger::Caller`](super::Pinger::Caller) is set.
    /// One task at a time may wait.
    pub async fn due_ping(&self) -> Ping {
        loop {
            let flight = poll_fn(|cx| self.keep().poll_told(cx)).await;
            if let Some(ping) = self.ping(flight) {
                return ping;
            }
        }
    }

    fn ping(&self, flight: Flight) -> Option<Ping> {
        let (flight, request) = self.sent(flight)?;
        Some(Ping {
            cache: self.clone(),
            flight: Some(flight),
            request,
        })
    }
}

impl Ping {
    /// The request: the last one of the conversation, to the same place and under the same
    /// credentials, for as little output as the provider allows. Its body shares memory that is
    /// overwritten once the ping is over.
    #[must_use]
    pub fn request(&self) -> Request<Bytes> {
        self.request.clone()
    }

    /// What is kept warm, and why.
    #[must_use]
    pub fn vigil(&self) -> Option<&Vigil> {
        self.flight.as_ref().map(|flight| &*flight.idle.vigil)
    }

    /// It was answered like this.
    pub fn answered(mut self, status: u16, headers: &HeaderMap, body: &[u8]) {
        let answer = Answer {
            status,
            framing: caller::framing(headers),
            body: Bytes::copy_from_slice(body),
        };
        if let Some(flight) = self.flight.take() {
            self.cache.pinged(flight, Some(&answer));
        }
    }

    /// It was sent, and there was no answer.
    pub fn unanswered(mut self) {
        if let Some(flight) = self.flight.take() {
            self.cache.pinged(flight, None);
        }
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        if let Some(flight) = self.flight.take() {
            self.cache.keep().release(&flight);
        }
    }
}

impl fmt::Debug for Ping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ping").finish_non_exhaustive()
    }
}
