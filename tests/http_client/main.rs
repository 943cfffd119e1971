//! The HTTP client against servers on real sockets that decide about every byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bodies;
mod connections;
mod cookies;
mod methods;
mod proxies;
mod redirects;
mod sockets;
mod sockets_lost;
mod support;
mod tls;
mod wire;
