//! A process with a journal and a webhook is killed again and again while half of the requests fail: the endpoint
//! sees every event, in order, under one id.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::crashes::{EVENTS, URL, run_and_kill, spawn};
use crate::support::open;

/// The number and the `webhook-id` of an event.
type Seen = (u64, String);

/// An endpoint that refuses every other request for the time being; what it took, in order.
fn receiver() -> (String, Arc<Mutex<Vec<Seen>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let all = Arc::clone(&all);
            // A connection that a kill has cut ends its thread.
            std::thread::spawn(move || serve(&stream.unwrap(), &all));
        }
    });
    (url, taken)
}

fn serve(stream: &TcpStream, taken: &Mutex<Vec<Seen>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    for turn in 0_u64.. {
        let (mut id, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "webhook-id" => value.clone_into(&mut id),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        }
        let mut body = String::new();
        reader.by_ref().take(length).read_to_string(&mut body).ok().filter(|read| *read as u64 == length)?;
        let number = body.strip_prefix(r#"{"n":"#).unwrap().split(',').next().unwrap().parse().unwrap();
        let refused = turn % 2 == 0;
        if !refused {
            taken.lock().unwrap().push((number, id));
        }
        let status = if refused { "503 Service Unavailable" } else { "200 OK" };
        (&mut &*stream)
            .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())
            .ok()?;
    }
    None
}

#[test]
fn a_webhook_sees_every_event_in_order_under_one_id_however_often_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let (url, taken) = receiver();
    let mut random = fastrand::Rng::new();
    println!("seed {}", random.get_seed());
    let daemon = |events: u64| spawn(dir, &[(EVENTS, &events.to_string()), (URL, &url)]);
    for _ in 0..25 {
        run_and_kill(daemon(u64::MAX), dir, &mut random);
    }
    let (writer, library) = open(&dir.join("journal"));
    let end = library.next_sequence() + 100;
    writer.stop().unwrap();
    let ended = daemon(end).wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

    let (taken, mut ids, mut next) = (taken.lock().unwrap(), HashMap::new(), 0);
    for (number, id) in taken.iter() {
        assert!(*number <= next, "{number} came before {next}");
        next = next.max(number + 1);
        assert_eq!(ids.entry(number).or_insert(id), &id, "{number} has two ids");
    }
    assert_eq!(next, end, "some events are missing");
    println!("25 kills, {end} events, {} of them again", taken.len() as u64 - end);
}
