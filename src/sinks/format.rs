//! The forms of a record.

/// The form of a record in a sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The Bayeux message as the server sent it.
    #[default]
    Message,
    /// Its `data` alone.
    Data,
    /// Connection, channel, replay id, time of arrival, id and data.
    Envelope,
    /// A CloudEvents 1.0 event in the JSON format.
    CloudEvents,
}
