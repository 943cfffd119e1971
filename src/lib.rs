//! `cometail`: a Bayeux/CometD streaming subscriber.
//!
//! The rooms of the house and the arrows between them; an arrow points at what a room may import, and
//! `tests/architecture.rs` fails on any other.
//!
//! | room | what it holds | may import |
//! |---|---|---|
//! | [`event`] | channels, replay ids, events as the server's bytes | nothing of ours |
//! | [`retry`] | capped exponential waits with seeded full jitter | nothing of ours |
//! | [`secret`] | values that are never printed and are wiped on drop | nothing of ours |
//! | [`status`] | what the daemon knows of itself | `event` |
//! | [`journal`] | the durable log between the sessions and the sinks | `event` |
//! | [`telemetry`] | logs on stderr | nothing of ours |
//! | [`bayeux`] | the protocol as a pure state machine | `event`, `retry`, `secret` |
//! | [`http`] | one exchange in, one reply or fault out | `bayeux::border`, `secret` |
//! | [`sinks`] | delivery to stdout, files and webhooks | `bayeux::border`, `event`, `http`, `journal`, `retry`, `secret` |
//! | [`salesforce`] | logins, and the REST API of an org | `bayeux::border`, `http`, `retry`, `secret` |
//! | [`heroku`] | mappings of Heroku Connect | `bayeux::border`, `http`, `retry`, `secret` |
//! | [`emulator`] | a stand-in for Salesforce: streaming, logins, records | nothing of ours |
//! | [`admin`] | what is asked of a running daemon | `event`, `secret`, `sinks`, `status`, `telemetry` |
//! | [`config`] | the configuration file, all its problems at once | the `Config` of each room, `secret` |
//! | [`daemon`] | one task per connection, one thread per sink | all above but `emulator` |
//! | [`cli`] | one file per command | all above |

pub mod admin;
pub mod bayeux;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod emulator;
pub mod event;
pub mod heroku;
pub mod http;
pub mod journal;
pub mod retry;
pub mod salesforce;
pub mod secret;
pub mod sinks;
pub mod status;
pub mod telemetry;
