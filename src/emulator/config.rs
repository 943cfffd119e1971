//! How the emulator behaves, and what is wrong with a configuration.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;

use super::records::Edition;
use super::seed::Seed;
use super::version;

/// How the emulator behaves.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// What the protocol's times are multiplied by, above 0 and at most 1000: 1 is real time, 0.01 a hundred
    /// times faster. No time becomes shorter than a millisecond.
    pub time_scale: f64,
    /// How often the server looks for new events, not scaled, at most an hour; 0 delivers at once.
    /// Salesforce looks about once a second, and so does `cometail emulator` unless it is told otherwise.
    pub poll_interval: Duration,
    /// Events of the emulator's own.
    pub generate: Option<Generate>,
    /// How long events are kept for replay, before scaling; platform and change events three times as long.
    pub retention: Duration,
    /// The token that `Authorization` must carry.
    pub token: Option<String>,
    /// The only channels that exist; without it every `/topic/*`, `/u/*`, `/event/*` and `/data/*` does.
    pub channels: Option<Vec<String>>,
    /// Whether the session cookie is demanded.
    pub cookies: bool,
    /// Whether only the channels exist that the org has records of: `/topic/NAME` by a `PushTopic`, `/u/NAME` by a
    /// `StreamingChannel`, which the first subscription makes.
    pub strict: bool,
    /// What the org may use of streaming.
    pub edition: Edition,
    /// Who and what exists at the start.
    pub seed: Seed,
    /// Whether requests must carry the token of a login, or [`Config::token`].
    pub login: bool,
    /// How long a login's token is good, before scaling.
    pub session_timeout: Duration,
    /// How far the server's clock is ahead, at most 100 years either way.
    pub clock_skew: SignedDuration,
    /// Whether clients that ask for the `ack` extension get it.
    pub ack: bool,
}

/// A generator of `PushTopic` events.
#[derive(Clone, Debug)]
pub struct Generate {
    /// Where they are published, such as `/topic/InvoiceStatementUpdates`.
    pub channel: String,
    /// The time between two events, not scaled, at least a millisecond.
    pub every: Duration,
}

/// What is wrong with a [`Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// `time_scale` is not a number above 0 and at most 1000.
    TimeScale,
    /// `poll_interval` is longer than an hour.
    PollInterval,
    /// `generate.every` is shorter than a millisecond.
    GenerateEvery,
    /// `clock_skew` is more than 100 years.
    ClockSkew,
    /// This is no `/topic/*`, `/u/*`, `/event/*` or `/data/*` channel.
    Channel(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeScale => f.write_str("time scale: a number above 0 and at most 1000 is wanted"),
            Self::PollInterval => f.write_str("poll interval: at most an hour is wanted"),
            Self::GenerateEvery => f.write_str("time between generated events: at least 1 ms is wanted"),
            Self::ClockSkew => f.write_str("clock skew: at most 100 years are wanted"),
            Self::Channel(name) => {
                write!(f, "channel {name:?}: /topic/NAME, /u/NAME, /event/NAME or /data/NAME is wanted")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl Default for Config {
    fn default() -> Self {
        Self {
            time_scale: 1.0,
            poll_interval: Duration::ZERO,
            generate: None,
            retention: Duration::from_hours(24),
            token: None,
            channels: None,
            cookies: true,
            strict: false,
            edition: Edition::default(),
            seed: Seed::default(),
            login: false,
            session_timeout: Duration::from_hours(2),
            clock_skew: SignedDuration::ZERO,
            ack: false,
        }
    }
}

/// Says whether there is a token, not which.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("time_scale", &self.time_scale)
            .field("poll_interval", &self.poll_interval)
            .field("generate", &self.generate)
            .field("retention", &self.retention)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("channels", &self.channels)
            .field("cookies", &self.cookies)
            .field("strict", &self.strict)
            .field("edition", &self.edition)
            .field("seed", &self.seed)
            .field("login", &self.login)
            .field("session_timeout", &self.session_timeout)
            .field("clock_skew", &self.clock_skew)
            .field("ack", &self.ack)
            .finish()
    }
}

impl Config {
    /// Finds the first thing wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(self.time_scale > 0.0 && self.time_scale <= 1000.0) {
            return Err(ConfigError::TimeScale);
        }
        if self.poll_interval > Duration::from_hours(1) {
            return Err(ConfigError::PollInterval);
        }
        if self.generate.as_ref().is_some_and(|generate| generate.every < Duration::from_millis(1)) {
            return Err(ConfigError::GenerateEvery);
        }
        if self.clock_skew.unsigned_abs() > Duration::from_hours(24 * 365 * 100) {
            return Err(ConfigError::ClockSkew);
        }
        let generated = self.generate.iter().map(|generate| &generate.channel);
        let mut channels = self.channels.iter().flatten().chain(generated);
        match channels.find(|channel| !version::is_channel(channel)) {
            Some(wrong) => Err(ConfigError::Channel(wrong.clone())),
            None => Ok(()),
        }
    }

    /// After which time an idle connect is answered (guide, "limits": 110 s).
    pub(super) fn connect_timeout(&self) -> Duration {
        self.scaled(Duration::from_secs(110))
    }

    /// How long a session lives on without a connect (guide, "limits": 40 s).
    pub(super) fn reconnect_timeout(&self) -> Duration {
        self.scaled(Duration::from_secs(40))
    }

    /// The wait advised before a new handshake.
    pub(super) fn rehandshake_interval(&self) -> Duration {
        self.scaled(Duration::from_millis(500))
    }

    /// A time of the protocol as this server keeps it.
    pub(super) fn scaled(&self, time: Duration) -> Duration {
        let scaled = Duration::try_from_secs_f64(time.as_secs_f64() * self.time_scale);
        scaled.unwrap_or(Duration::MAX).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::state::Shared;

    #[test]
    fn a_bad_configuration_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        for time_scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1000.1] {
            let config = Config { time_scale, ..Config::default() };
            assert_eq!(config.check(), Err(ConfigError::TimeScale), "{time_scale}");
        }
        let config = Config { poll_interval: Duration::from_secs(3601), ..Config::default() };
        assert_eq!(config.check(), Err(ConfigError::PollInterval));
        let generate = |channel: &str, every| Some(Generate { channel: channel.to_owned(), every });
        let config = Config { generate: generate("/topic/A", Duration::ZERO), ..Config::default() };
        assert_eq!(config.check(), Err(ConfigError::GenerateEvery));
        let config = Config { generate: generate("/A", Duration::from_secs(1)), ..Config::default() };
        assert_eq!(config.check(), Err(ConfigError::Channel("/A".to_owned())));
        let config = Config { channels: Some(vec!["/topic/*".to_owned()]), ..Config::default() };
        assert!(config.check().unwrap_err().to_string().contains("\"/topic/*\""));
    }

    #[test]
    fn times_are_scaled_within_bounds() {
        let config = |time_scale| Config { time_scale, retention: Duration::MAX, ..Config::default() };
        assert_eq!(config(0.01).connect_timeout(), Duration::from_millis(1100));
        assert_eq!(config(0.01).rehandshake_interval(), Duration::from_millis(5));
        assert_eq!(config(f64::MIN_POSITIVE).reconnect_timeout(), Duration::from_millis(1));
        assert_eq!(config(1000.0).scaled(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn the_token_is_not_shown() {
        let config = Config { token: Some("t0ps3cret".to_owned()), ..Config::default() };
        assert!(!format!("{config:?} {:?}", Shared::new(config.clone())).contains("t0ps3cret"));
    }
}
