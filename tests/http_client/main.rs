//! The HTTP client against servers on real sockets that decide about every byte.
#![cfg(test)]

mod bodies;
mod connections;
mod cookies;
mod held;
mod methods;
mod proxies;
mod redirects;
mod sockets;
mod sockets_lost;
mod support;
mod tls;
mod wire;
