//! Appends each message of a channel to a file as a line of JSON: `[--threads] URL CHANNEL FILE`.
//!
//! One thread does everything, which is faster with few events in a response; with `--threads` one writes while another
//! reads, which can be faster with many.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};

use cometd_client::types::{CometdClientEvent, Data};
use cometd_client::{CometdClient, CometdClientBuilder};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::runtime::Builder;
use url::Url;

const BUFFER: usize = 1 << 20;

#[derive(Serialize)]
struct Line<'a> {
    channel: &'a str,
    data: &'a RawValue,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut runtime, rest) = match arguments.as_slice() {
        [first, rest @ ..] if first == "--threads" => (Builder::new_multi_thread(), rest),
        rest => (Builder::new_current_thread(), rest),
    };
    let [url, channel, path] = rest else {
        return Err("wanted: [--threads] URL CHANNEL FILE".into());
    };
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let subscribing = subscribe(url, channel, BufWriter::with_capacity(BUFFER, file));
    runtime.enable_all().build()?.block_on(subscribing)
}

async fn subscribe(url: &str, channel: &str, mut file: BufWriter<File>) -> Result<(), Box<dyn Error>> {
    // It sends a handshake, a connect and a disconnect each to an address of its own below this directory, and a
    // subscribe to the directory itself, which has no slash at its end then.
    let url: Url = url.trim_end_matches('/').parse()?;
    let version = url.path().rsplit('/').next().unwrap_or_default();
    let below = format!("{version}/");
    let client: CometdClient<Box<RawValue>> = CometdClientBuilder::new(&url)
        .handshake_base_path(&below)
        .subscribe_base_path(version)
        .connect_base_path(&below)
        .disconnect_base_path(&below)
        .build()?;
    let mut events = client.rx();
    client.subscribe(&[channel]).await;
    while let Some(event) = events.recv().await {
        match event {
            CometdClientEvent::Message(messages) => write(&messages, &mut file)?,
            CometdClientEvent::Error(error) => return Err(error.to_string().into()),
        }
    }
    Err("the client has stopped".into())
}

/// Writes the messages of one response.
fn write(messages: &[Data<Box<RawValue>>], file: &mut BufWriter<File>) -> std::io::Result<()> {
    for message in messages {
        if let (Some(channel), Some(data)) = (&message.channel, &message.message) {
            serde_json::to_writer(&mut *file, &Line { channel, data })?;
            file.write_all(b"\n")?;
        }
    }
    file.flush()
}
