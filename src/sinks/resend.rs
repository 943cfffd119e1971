//! Parked records once more to their endpoint, because a person asks for it: one attempt each, with the id and the
//! bytes of the first ones.

use bytes::Bytes;

use super::target::{Failure, Refused, Unfit};
use super::{Config, Kind, StartError, webhook};

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The endpoint has it.
    Accepted,
    /// The endpoint refused it for good, for this reason.
    Refused(String),
    /// Nobody knows, or it is to be tried later: what was found.
    Failed(String),
}

/// The way to the endpoint of one sink.
pub struct Resender {
    config: Config,
    sink: Option<webhook::Sink>,
}

impl Resender {
    /// Checks what can be checked; the endpoint is not asked.
    ///
    /// # Errors
    /// What is wrong with the sink's configuration, or that it is no webhook.
    pub fn open(config: Config) -> Result<Self, StartError> {
        let sink = Some(open(&config)?);
        Ok(Self { config, sink })
    }

    /// Posts a record as it was formed for this sink, with the stable id of its event.
    ///
    /// # Errors
    /// As [`Resender::open`].
    pub async fn send(&mut self, id: &str, record: Bytes) -> Result<Answer, StartError> {
        let mut sink = match self.sink.take() {
            Some(sink) => sink,
            None => open(&self.config)?,
        };
        sink.load_record(id.to_owned(), &record);
        let answer = match sink.flush().await {
            Ok(()) | Err(Failure::Partly(_)) => Answer::Accepted,
            Err(Failure::Refused(Refused { reason, .. })) => Answer::Refused(reason),
            // What is still loaded goes with the sink.
            Err(Failure::Retry { error, .. }) => return Ok(Answer::Failed(error)),
            Err(Failure::Busy | Failure::Unnoted | Failure::Ended(_)) => {
                return Ok(Answer::Failed("it cannot be sent".to_owned()));
            }
        };
        self.sink = Some(sink);
        Ok(answer)
    }
}

fn open(config: &Config) -> Result<webhook::Sink, StartError> {
    let opened = match &config.kind {
        Kind::Webhook(kind) => webhook::Sink::open(kind, config.format),
        Kind::Stdout(_) | Kind::File(_) => Err(Unfit {
            thing: "its kind".to_owned(),
            found: "it is no webhook".to_owned(),
            hint: "name a webhook".to_owned(),
        }),
    };
    opened.map_err(|Unfit { thing, found, hint }| StartError {
        sink: config.name.clone(),
        thing,
        found,
        hint,
    })
}
