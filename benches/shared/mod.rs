//! What the benches of whole programs share: a listener, HTTP messages, Bayeux requests and the replies to them; which
//! program is measured, and how a bench ends.

pub(crate) mod listener;
pub(crate) mod messages;
pub(crate) mod outcome;
pub(crate) mod program;
pub(crate) mod request;
